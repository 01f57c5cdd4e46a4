"""How loud a sound is heard, after Recommendation ITU-R BS.1770-5: gated loudness in LUFS and true peak in dB.

Fed chunk by chunk; memory grows by ten numbers per second of sound. Mono counts as one channel, as the recommendation has it.
"""

from __future__ import annotations

import numpy as np

from engine.media.voice_track import TRACK_RATE

# The recommendation's two filters at 48 kHz (annex 1, tables 1 and 2): the head's effect, then a high-pass.
_FILTERS = (
    ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585)),
    ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621)),
)
_HOP = TRACK_RATE // 10  # blocks of 0.4 s begin every 0.1 s
_HOPS_PER_BLOCK = 4
_OFFSET = -0.691
_SILENCE_LUFS, _RELATIVE_LU = -70.0, -10.0  # the two gates

_CHUNK = TRACK_RATE
_WINDOW = 1 << 16
_HISTORY = _WINDOW - _CHUNK  # 0.37 s: the high-pass has forgotten everything after a tenth of that
_UP = 4  # true peak: four times as many samples
_HALF_TAPS = 12


class LoudnessMeter:
    """Loudness and true peak of float32 chunks [channels, n] at 48 kHz, whatever their lengths."""

    def __init__(self, channels: int) -> None:
        self._waiting = np.zeros((channels, 0))
        self._history = np.zeros((channels, _HISTORY))
        self._powers: list[np.ndarray] = []  # of each 0.1 s, summed over the channels
        self._peak = 0.0
        self._samples = 0

    def add(self, chunk: np.ndarray) -> None:
        """The sound goes on with this."""
        self._samples += chunk.shape[1]
        self._waiting = np.concatenate([self._waiting, chunk], axis=1)
        while self._waiting.shape[1] >= _CHUNK:
            self._measure(self._waiting[:, :_CHUNK])
            self._waiting = self._waiting[:, _CHUNK:]

    def finish(self) -> tuple[float | None, float | None]:
        """Loudness in LUFS and true peak in dB of full scale; None where nothing is louder than -70 LUFS. Ends the measuring."""
        if self._waiting.shape[1]:
            self._measure(np.pad(self._waiting, ((0, 0), (0, _CHUNK - self._waiting.shape[1]))))
        whole = self._samples // _HOP  # silence after the end does not count
        powers = np.concatenate([*self._powers, np.zeros(0)])[: max(whole, 1)]
        if not len(powers) or not self._peak:
            return None, None
        width = min(_HOPS_PER_BLOCK, len(powers))  # shorter than one block: all of it is the block
        loudness = _gated(np.convolve(powers, np.full(width, 1 / width), "valid"))
        return loudness, 20 * float(np.log10(self._peak))

    def _measure(self, chunk: np.ndarray) -> None:
        window = np.concatenate([self._history, chunk], axis=1)
        heard = np.fft.irfft(np.fft.rfft(window) * _RESPONSE)[:, _HISTORY:]  # overlap-save
        self._powers.append(np.square(heard).sum(axis=0).reshape(-1, _HOP).mean(axis=1))
        # The last taps of one chunk are measured with the next one; at the end they meet silence.
        for row in window[:, _HISTORY - 2 * _HALF_TAPS :]:
            self._peak = max(self._peak, float(np.abs(row).max()), *(_peak_between(row, taps) for taps in _TAPS))
        self._history = window[:, -_HISTORY:]


def _peak_between(row: np.ndarray, taps: np.ndarray) -> float:
    return float(np.abs(np.convolve(row, taps, "valid")).max())


def _gated(blocks: np.ndarray) -> float | None:
    """LUFS of blocks given as power: of those above -70 LUFS, those no more than 10 LU below the mean."""
    heard = blocks[blocks > _power(_SILENCE_LUFS)]
    if not len(heard):
        return None
    return _lufs(float(np.mean(heard[heard > _power(_lufs(float(np.mean(heard))) + _RELATIVE_LU)])))


def _lufs(power: float) -> float:
    return _OFFSET + 10 * float(np.log10(power))


def _power(lufs: float) -> float:
    return float(10 ** ((lufs - _OFFSET) / 10))


def _response() -> np.ndarray:
    """complex [window/2 + 1]: what the two filters do to each frequency of a window."""
    delay = np.exp(-2j * np.pi * np.arange(_WINDOW // 2 + 1) / _WINDOW)
    response = np.ones(len(delay), complex)
    for above, below in _FILTERS:
        response *= np.polyval(above[::-1], delay) / np.polyval(below[::-1], delay)
    return response


def _taps() -> list[np.ndarray]:
    """Windowed sines that give the values a quarter, a half and three quarters of the way to the next sample."""
    taps = []
    for phase in range(1, _UP):
        distance = np.arange(-_HALF_TAPS, _HALF_TAPS + 1) - phase / _UP
        shape = np.sinc(distance) * np.where(np.abs(distance) < _HALF_TAPS, np.cos(np.pi * distance / (2 * _HALF_TAPS)) ** 2, 0)
        taps.append((shape / shape.sum())[::-1])
    return taps


_RESPONSE, _TAPS = _response(), _taps()
