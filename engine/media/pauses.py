"""Where a voice pauses: there a video may end or change hands without cutting a word."""

from __future__ import annotations

import numpy as np

from engine.catalog import SPEECH_RATE

HOP_S = 0.01
HOP_SAMPLES = int(SPEECH_RATE * HOP_S)
MIN_PAUSE_S = 0.2
SILENCE_DB = -96.0  # what 16 bits can still tell from nothing
_QUIET_DB = -60.0  # a recording whose loudest twentieth is below this holds no speech


def levels(waveform: np.ndarray, hop: int = HOP_SAMPLES) -> np.ndarray:
    """float32 [ceil(N/160)]: level of each 10 ms (`hop` samples) of float32 [N] at 16 kHz, in dB of full scale, at least -96."""
    padded = np.pad(waveform, (0, -len(waveform) % hop)).reshape(-1, hop)
    power = np.mean(np.square(padded, dtype=np.float64), axis=1)
    return (10 * np.log10(np.maximum(power, 10 ** (SILENCE_DB / 10)))).astype(np.float32)


def find_pauses(waveform: np.ndarray) -> list[tuple[float, float]]:
    """(start, end) in seconds of every pause of at least 0.2 s in float32 [N] at 16 kHz."""
    return pauses_in(levels(waveform))


def pauses_in(level: np.ndarray) -> list[tuple[float, float]]:
    """As `find_pauses`, from levels (see there).

    A pause lies 30 dB below the speech, or, in a noisy recording, near the noise: 6 dB above it, if that is still
    10 dB below the speech. Where noise and speech are closer, no pause can be told.
    """
    if not len(level):
        return []
    noise, speech = np.percentile(level, [5, 95])
    threshold = _QUIET_DB if speech < _QUIET_DB else max(speech - 30, min(noise + 6, speech - 10))
    is_quiet = np.concatenate([[False], level < threshold, [False]])
    edges = np.flatnonzero(np.diff(is_quiet.astype(np.int8))).reshape(-1, 2)
    return [(s * HOP_S, e * HOP_S) for s, e in edges.tolist() if (e - s) * HOP_S >= MIN_PAUSE_S - 1e-9]


def cut_point(pauses: list[tuple[float, float]], seconds: float) -> float:
    """The latest start of a pause that is not later than `seconds` (and not the very beginning), else `seconds`."""
    return max((start for start, _ in pauses if 0 < start <= seconds), default=seconds)
