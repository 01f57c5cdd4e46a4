"""The voice as a job uses it: 16 kHz, mono, 16 bit, exactly as long as the video."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from engine.catalog import BLOCK_SECONDS, SPEECH_RATE
from engine.errors import MediaError
from engine.media.durable import whole_file
from engine.media.pauses import cut_point, find_pauses
from engine.media.sound import opened_sound

__all__ = ["Fill", "cut_point", "find_pauses", "read_voice", "write_voice"]

_SHORTEST_LOOP_S = 0.1
Fill = Literal["loop", "pad"]


def read_voice(path: Path) -> np.ndarray:
    """float32 [N] at 16 kHz mono, -1 … 1, of any recording that is accepted. Raises MediaError."""
    with opened_sound(path) as sound:
        return np.concatenate(list(sound.chunks()))


def write_voice(source: Path, target: Path, seconds: float, fill: Fill | None = None) -> None:
    """Write `seconds` of `source` as a 16 kHz mono s16 WAV, durably; the end is cut off where the source is longer.

    Where it is shorter, "loop" repeats it and "pad" adds silence. Without either up to one block (0.48 s) of silence
    is added, since the last block of a video reaches beyond its voice; more raises MediaError, as does a source that
    cannot be used. Raises ValueError for a length that is not positive or an unknown fill, DiskFull.
    """
    wanted = round(seconds * SPEECH_RATE)
    if wanted <= 0 or fill not in ("loop", "pad", None):
        raise ValueError(f"cannot write {seconds} s of voice with fill {fill!r}")
    with whole_file(target) as part, wave.open(str(part), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SPEECH_RATE)
        for samples in _filled(source, wanted, fill):
            file.writeframesraw(samples.tobytes())


def _filled(source: Path, wanted: int, fill: Fill | None) -> Iterator[np.ndarray]:
    """Pieces int16 [n], `wanted` samples in all."""
    missing = wanted
    while missing:
        with opened_sound(source) as sound:
            for chunk in sound.chunks():
                piece = chunk[:missing]
                missing -= len(piece)
                yield _to_s16(piece)
                if not missing:
                    return
        if fill == "loop":
            if wanted - missing < _SHORTEST_LOOP_S * SPEECH_RATE:
                raise MediaError(f"{source} is too short to be repeated.", hint="Bring at least 0.1 s of voice.")
            continue
        if fill is None and missing > BLOCK_SECONDS * SPEECH_RATE:
            raise MediaError(
                f"{source} lasts {(wanted - missing) / SPEECH_RATE:.2f} s, {wanted / SPEECH_RATE:.2f} s are needed.",
                hint="Choose loop or pad, or a shorter video.",
            )
        while missing:
            piece = np.zeros(min(missing, SPEECH_RATE), "<i2")
            missing -= len(piece)
            yield piece


def _to_s16(samples: np.ndarray) -> np.ndarray:
    """int16 of float32 -1 … 1; what came from 16 bits comes back unchanged."""
    return np.clip(np.rint(samples * np.float32(32768)), -32768, 32767).astype("<i2")
