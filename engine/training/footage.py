"""A folder of clips for training a role: videos, or frames with a voice, each with a prompt.

`name.mp4` (.mov, .mkv, .webm) with its own sound and `name.txt`; or a folder `name/` with frames `*.png` or `*.jpg` (25 per
second, in the order of their names), `voice.wav` and `prompt.txt`. Beside a video `name.png`, in a folder `portrait.png`,
is the role's portrait; without it the first frame is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.catalog import BLOCK_FRAMES, FPS
from engine.errors import MediaError
from engine.media.picture import read_portrait
from engine.media.quality import read_frames, read_sound
from engine.media.voice import read_voice
from engine.model.conditions import fit_portrait

VIDEOS = (".mp4", ".mov", ".mkv", ".webm")
PICTURES = (".png", ".jpg", ".jpeg", ".webp")
MAX_CLIP_S = 120
_MIN_BLOCKS = 2


@dataclass(frozen=True)
class Footage:
    """One clip: `frames` [N, 3, H, W] in -1..1 at 25 per second, N a multiple of 12; `sound` float32 at 16 kHz."""

    name: str
    frames: Tensor
    sound: np.ndarray
    portrait: np.ndarray  # uint8 [H0, W0, 3]
    prompt: str


def read_footage(folder: Path, width: int, height: int) -> list[Footage]:
    """All clips of a folder, cut and scaled to a size. Raises MediaError naming the clip that cannot be used."""
    if not folder.is_dir():
        raise MediaError(
            f"{folder} is no folder.", hint="Name a folder of clips; docs/pocket.md says what belongs into it."
        )
    found = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in VIDEOS or _has_frames(path)]
    if not found:
        raise MediaError(
            f"{folder} holds no clips.", hint=f"Bring {', '.join(VIDEOS)} files, or folders with frames and voice.wav."
        )
    return [_read(path, width, height) for path in found]


def aspect_of(folder: Path) -> tuple[int, int]:
    """(width, height) of the first clip's first picture: the size follows from it. Raises MediaError."""
    if not folder.is_dir():
        raise MediaError(
            f"{folder} is no folder.", hint="Name a folder of clips; docs/pocket.md says what belongs into it."
        )
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in VIDEOS or _has_frames(path):
            first = next(_pictures(path), None)
            if first is not None:
                return first.shape[1], first.shape[0]
    raise MediaError(
        f"{folder} holds no clips.", hint=f"Bring {', '.join(VIDEOS)} files, or folders with frames and voice.wav."
    )


def _has_frames(path: Path) -> bool:
    return path.is_dir() and any(
        child.suffix.lower() in PICTURES for child in path.iterdir() if child.stem != "portrait"
    )


def _read(path: Path, width: int, height: int) -> Footage:
    is_video = path.is_file()
    words = path.with_suffix(".txt") if is_video else path / "prompt.txt"
    if not words.is_file():
        raise MediaError(f"{path} has no prompt.", hint=f"Write one sentence into {words}.")
    frames = [fit_portrait(picture, width, height) for picture in _pictures(path)]
    count = len(frames) // BLOCK_FRAMES * BLOCK_FRAMES
    if count < _MIN_BLOCKS * BLOCK_FRAMES:
        raise MediaError(
            f"{path} has {len(frames)} frames, at least {_MIN_BLOCKS * BLOCK_FRAMES} are needed.",
            hint="Bring a longer clip.",
        )
    sound = read_sound(path) if is_video else read_voice(path / "voice.wav")
    if sound is None:
        raise MediaError(f"{path} has no sound.", hint="A role's clip needs the voice that the mouth follows.")
    own = path.with_suffix(".png") if is_video else path / "portrait.png"
    portrait = read_portrait(own) if own.is_file() else next(_pictures(path))
    return Footage(path.name, torch.stack(frames[:count]), sound, portrait, words.read_text().strip())


def _pictures(path: Path) -> Iterator[np.ndarray]:
    """uint8 [H, W, 3] at 25 per second, two minutes at most."""
    if path.is_file():
        yield from read_frames(path, FPS, MAX_CLIP_S)
        return
    names = [child for child in sorted(path.iterdir()) if child.suffix.lower() in PICTURES and child.stem != "portrait"]
    for child in names[: MAX_CLIP_S * FPS]:
        yield read_portrait(child)
