"""How much slower than usual the house is just now: learnt at several speeds, weighted by how well each did.

Heat, a neighbour, a season: what moves all kinds of jobs together moves slowly or fast, and nobody says which. So the level
is followed with several memories at once; each is held against the jobs that ended, as it was when they were submitted.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import exp

MEMORIES = (6.0, 12.0, 24.0, 48.0, 96.0)  # jobs
FORGET = 0.97  # of what a memory did badly, per job
FIRST_SPREAD = 0.16
LEAST_SPREAD = 0.05
CLIP = 3.0  # spreads; what is farther counts as if it lay there
FREE = 2.0  # how far off the first jobs may lie: nothing is known yet
FIRST_JOBS = 3
Observation = tuple[float, float]  # how far off, as a logarithm; how much it counts, up to 1


class Drift:
    """A level in logarithms, 0 at first."""

    def __init__(self) -> None:
        self._levels = [0.0 for _ in MEMORIES]
        self._losses = [0.0 for _ in MEMORIES]
        self._jobs = 0

    @property
    def levels(self) -> tuple[float, ...]:
        """What each memory says now; kept with a job, to be handed in when it ends."""
        return tuple(self._levels)

    def level(self, spread: float, running: Iterable[Observation] = ()) -> float:
        """The weighted level. `running`: jobs at work count as far as they have come, and are not remembered."""
        seen = list(running)
        told = 0.0
        for memory, level, weight in zip(MEMORIES, self._levels, self._weights(spread), strict=True):
            jobs = float(min(self._jobs + 1, memory))
            for value, share in seen:
                jobs = min(jobs + 1, memory)
                level += share * self._pulled_in(value - level, spread) / jobs
            told += weight * level
        return told

    def take(self, value: float, share: float, told: tuple[float, ...], spread: float) -> None:
        """A job is over. `told`: the levels when it was submitted; `spread`: by which jobs stray."""
        self._jobs += 1
        for index, memory in enumerate(MEMORIES):
            loss = self._pulled_in(value - told[index], spread) ** 2
            self._losses[index] = FORGET * self._losses[index] + share * loss
            off = self._pulled_in(value - self._levels[index], spread)
            self._levels[index] += (share if self._jobs > 1 else 1.0) * off / min(self._jobs, memory)

    def _pulled_in(self, off: float, spread: float) -> float:
        reach = CLIP * max(LEAST_SPREAD, spread) if self._jobs > FIRST_JOBS else FREE
        return max(-reach, min(reach, off))

    def _weights(self, spread: float) -> list[float]:
        """As likely as their errors would make them, if these were drawn with this spread."""
        least, twice = min(self._losses), 2.0 * max(spread, LEAST_SPREAD) ** 2
        found = [exp((least - loss) / twice) for loss in self._losses]
        return [weight / sum(found) for weight in found]
