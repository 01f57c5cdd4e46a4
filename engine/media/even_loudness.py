"""Sounds brought to one loudness: to the middle one of them, unless peaks stand in the way."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from engine.media.listening import Heard

EVEN_LU = 0.5  # sounds that differ by no more are even already
PEAK_DB = -1.0  # no true peak is lifted above this
_MOST_LOWERED_LU = 6.0  # one sound with high peaks does not make all the others this much quieter
_MOST_RAISED_DB = 20.0  # more would lift the noise of the room into hearing


def even_gains(sounds: Sequence[Heard]) -> list[float]:
    """The gain of each in dB. All zero where they are even already; silence is left alone."""
    known = [(sound.loudness, sound.true_peak_db) for sound in sounds]
    told = [(loudness, peak) for loudness, peak in known if loudness is not None and peak is not None]
    if not told or max(told)[0] - min(told)[0] <= EVEN_LU:
        return [0.0] * len(sounds)
    middle = median(loudness for loudness, _ in told)
    reached_by_all = min(loudness + PEAK_DB - peak for loudness, peak in told)
    wanted = max(min(middle, reached_by_all), middle - _MOST_LOWERED_LU)
    return [
        0.0 if loudness is None or peak is None else min(wanted - loudness, PEAK_DB - peak, _MOST_RAISED_DB)
        for loudness, peak in known
    ]
