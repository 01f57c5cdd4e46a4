"""Videos of one grey and with known words, and a way to look at and listen to what was stitched of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np

from engine.catalog import BLOCK_SECONDS, SPEECH_RATE
from engine.media.fragment import FragmentEncoder
from engine.media.join import join
from tests.integration.media_rig import write_wav

RATE = 48_000


def words(seconds: float, spans: Sequence[tuple[float, float]], level: float = 0.3, hertz: float = 440.0) -> np.ndarray:
    """float [seconds * 16000]: a tone from each start to each end in seconds, soft at its edges, silence elsewhere."""
    time = np.arange(round(seconds * SPEECH_RATE)) / SPEECH_RATE
    sound = np.zeros(len(time))
    for start, end in spans:
        edge = np.clip(np.minimum(time - start, end - time) / 0.005, 0, 1)
        sound += level * edge * np.sin(2 * np.pi * hertz * time)
    return sound


def grey_video(
    folder: Path, name: str, grey: int, blocks: int, spans: Sequence[tuple[float, float]],
    level: float = 0.3, size: tuple[int, int] = (128, 96), hertz: float = 440.0,
) -> Path:  # fmt: skip
    """A finished video of our own kind, `blocks` · 0.48 s long."""
    voice = write_wav(folder / f"{name}.wav", words(blocks * BLOCK_SECONDS, spans, level, hertz))
    encoder = FragmentEncoder(*size, voice)
    parts = [folder / f"{name}.init.mp4"]
    parts[0].write_bytes(encoder.init_bytes)
    for block in range(blocks):
        fragment = folder / f"{name}.{block}.m4s"
        fragment.write_bytes(encoder.encode(block, np.full((12, size[1], size[0], 3), grey, np.uint8)))
        parts.append(fragment)
    return join(parts, folder / f"{name}.mp4").path


class Seen:
    """A stitched video: `greys` [N, H, W] of its pictures and `sound` [channels, n]."""

    def __init__(self, path: Path) -> None:
        with av.open(str(path)) as container:
            frames = [frame.to_ndarray(format="rgb24").mean(axis=2) for frame in container.decode(video=0)]
        self.greys = np.stack(frames)
        with av.open(str(path)) as container:
            self.sound = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)

    def middle(self, number: int) -> float:
        """Grey of a picture's middle."""
        height, width = self.greys.shape[1:]
        return float(self.greys[number, height // 3 : 2 * height // 3, width // 3 : 2 * width // 3].mean())

    def level(self, start: float, end: float) -> float:
        """Root mean square of the first channel between two times in seconds."""
        return float(np.sqrt(np.mean(np.square(self.sound[0, round(start * RATE) : round(end * RATE)], dtype=np.float64))))

    def biggest_step(self, start: float, end: float) -> float:
        """From one sample to the next."""
        return float(np.abs(np.diff(self.sound[:, round(start * RATE) : round(end * RATE)], axis=1)).max())
