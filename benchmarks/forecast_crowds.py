"""How many are still to come of the crowds that have begun, for whoever knows the law and has seen who came: exact.

A crowd brings some jobs, each an exponential time after the crowd's moment (`scheduler.simulation.synthetic.Day`). An exponential
time does not remember how long it has lasted, so what is still to come of all crowds together is one number, and all that was
ever seen speaks of it alone: a hidden Markov process. Between submissions its distribution p follows

    dp(n)/dt = -(begin + come n) p(n) + begin sum_k size(k) p(n - k)

where `begin` is the rate of crowds and `come` that of each job that is still to come; at a submission

    p(n) becomes single p(n) + come (n + 1) p(n + 1)

since it was one alone (at rate `single`) or one of a crowd; both up to a factor. The rate of single jobs may change with time:
between submissions it is a factor for every n. (The forward filter; Rabiner 1989, section III.A, for events in continuous time as
in Fischer & Meier-Hellstern 1993, section 2.)
"""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray

from scheduler.simulation.synthetic import COME_PER_S, Kind

STEP_S = 0.01  # moments are rounded to it
DOUBLINGS = 18  # 44 minutes: whatever had begun before has come
CROWDS = 4  # more at once are not reckoned with: at four an hour they come once in many years
TERMS = 16  # of the exponential series for one step, whose norm is below 1


class StillToCome:
    """Told of each submission in order of time; the distribution of how many of begun crowds have not come."""

    def __init__(self, kind: Kind) -> None:
        least, most = kind.burst_jobs
        self._counts = np.arange(CROWDS * most + 1)
        self._steps = _steps(kind.bursts_per_h / 3600.0, least, most, len(self._counts))
        self._at: float | None = None
        self.chances: NDArray[np.float64] = np.eye(1, len(self._counts))[0]  # of each number; a day begins without a crowd

    def submitted(self, at: float, single_rate: float) -> None:
        """Somebody came; `single_rate`: how many that belong to no crowd come per second just then."""
        self.reach(at)
        one_less = COME_PER_S * self._counts[1:] * self.chances[1:]
        self.chances = single_rate * self.chances
        self.chances[:-1] += one_less
        self.chances /= self.chances.sum()

    def reach(self, now: float) -> None:
        """Nobody came until `now`. Raises ValueError for a time before what it was told of."""
        begin = 0.0 if self._at is None else self._at
        if now < begin:
            raise ValueError(f"{now} is before {begin}")
        steps = min(round((now - begin) / STEP_S), 2**DOUBLINGS - 1)
        self._at = now
        for doubling, matrix in enumerate(self._steps):
            if steps >> doubling & 1:
                self.chances = matrix @ self.chances
        self.chances /= self.chances.sum()

    def draw(self, count: int, source: random.Random) -> list[int]:
        """So many numbers in any order, each as often as it is likely, spread evenly (stratified sampling)."""
        places = (np.arange(count) + [source.random() for _ in range(count)]) / count
        found = np.minimum(np.searchsorted(np.cumsum(self.chances), places, side="right"), self._counts[-1])
        return source.sample([int(number) for number in found], count)


def _steps(begin: float, least: int, most: int, count: int) -> list[NDArray[np.float64]]:
    """What STEP_S, twice that, four times … make of the distribution while nobody comes: each (count, count)."""
    rates = np.diag(-begin - COME_PER_S * np.arange(count))
    for size in range(least, most + 1):
        rates += np.eye(count, k=-size) * begin / (most - least + 1)
    term = step = np.eye(count)
    for place in range(1, TERMS + 1):
        term = term @ rates * (STEP_S / place)
        step = step + term
    found = [step]
    while len(found) < DOUBLINGS:
        found.append(found[-1] @ found[-1])
    return found
