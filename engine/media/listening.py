"""What has to be known of a sound before it is put into a film: its pauses, how loud it is, how long."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.catalog import FPS
from engine.media.film_part import FilmPart
from engine.media.film_sound import LAYOUTS, part_sound
from engine.media.loudness import LoudnessMeter
from engine.media.pauses import HOP_S, levels, pauses_in
from engine.media.sound import opened_sound
from engine.media.voice_track import TRACK_RATE

_HOP = round(HOP_S * TRACK_RATE)


@dataclass(frozen=True, kw_only=True)
class Heard:
    """`pauses` are (start, end) in seconds; loudness in LUFS and true peak in dB of full scale, None for silence."""

    samples: int  # at 48 kHz, per channel
    channels: int
    pauses: tuple[tuple[float, float], ...]
    loudness: float | None
    true_peak_db: float | None

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.samples / TRACK_RATE


def listen_to_part(part: FilmPart, channels: int) -> Heard:
    """The sound of a part as the film will have it; one without sound is one long pause. Raises MediaError."""
    if not part.channels:
        seconds = part.frames / FPS
        pauses = ((0.0, seconds),)
        return Heard(samples=round(seconds * TRACK_RATE), channels=channels, pauses=pauses, loudness=None, true_peak_db=None)
    return listen(part_sound(part, channels), channels)


def listen_to_track(path: Path) -> Heard:
    """A recording of any kind that `engine.media.sound` reads; more than two channels become two. Raises MediaError."""
    with opened_sound(path) as sound:
        channels = min(2, sound.channels)
        return listen(sound.resampled(TRACK_RATE, LAYOUTS[channels]), channels)


def listen(chunks: Iterable[np.ndarray], channels: int) -> Heard:
    """Of float32 chunks [channels, n] at 48 kHz. It is quiet where every channel is."""
    meter = LoudnessMeter(channels)
    waiting = np.zeros((channels, 0), np.float32)
    found: list[np.ndarray] = []
    samples = 0
    for chunk in chunks:
        samples += chunk.shape[1]
        meter.add(chunk)
        waiting = np.concatenate([waiting, chunk], axis=1)
        whole = waiting.shape[1] // _HOP * _HOP
        found.append(_levels(waiting[:, :whole]))
        waiting = waiting[:, whole:]
    found.append(_levels(waiting))
    loudness, peak = meter.finish()
    pauses = tuple(pauses_in(np.concatenate(found)))
    return Heard(samples=samples, channels=channels, pauses=pauses, loudness=loudness, true_peak_db=peak)


def _levels(sound: np.ndarray) -> np.ndarray:
    return np.max([levels(row, _HOP) for row in sound], axis=0)
