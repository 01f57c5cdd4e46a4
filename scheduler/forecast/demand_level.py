"""How much is asked for just now: the rate of submissions, as a distribution.

Blocks per minute of history are followed with memories of half an hour, of eight hours and without end; each future believes one
of them, as often as it foretold the minutes that came. So a night is quiet after half an hour of quiet, and where nothing changes
the long memory, which knows most, has the say.

A rate is known as well as what it was learnt from is varied: a crowd within a minute is one observation, however many come (the
sum of the minutes squared over the sum of their squares; both fade alike, so certainty fades with what it came from). To that a
guess is added that needs no knowledge of the house: who buys so many slots keeps them half busy (`USUAL_LOAD`). It counts for two
minutes in which something is asked for (`PRIOR`), so a first crowd is not taken for the daily rate, and after an hour it says
hardly anything. Rates are drawn from the gamma distribution that follows from both (conjugate to counts; Gelman et al., Bayesian
Data Analysis, section 2.6).
"""

from __future__ import annotations

import random
from math import exp, inf, log

MINUTE_S = 60.0
MEMORIES_S = (1800.0, 8 * 3600.0, inf)
FORGET = 0.99  # of what a memory did badly, per minute
USUAL_LOAD, PRIOR = 0.5, 2.0
SHORT_PRIOR = 1.0  # what all of history says counts for so many in a memory that ends: quiet that it saw is to be believed
NEIGHBOURS = 8  # of so many rates drawn one is taken, so that they are spread evenly
LEARNT_MINUTES = 10  # before that the memory without end is believed
LEAST = 1e-3  # of the mean rate; a memory that saw nothing does not exclude everything


class Level:
    """Told of each submission in order of time."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._minutes = 0  # that are over
        self._asked = 0.0  # blocks in the present one
        self._blocks, self._squares, self._lasted = ([0.0 for _ in MEMORIES_S] for _ in range(3))
        self._losses = [0.0 for _ in MEMORIES_S]
        self._strays = 0.0  # squares of how far minutes lay off the mean

    def submitted(self, at: float, blocks: int) -> None:
        """So many blocks were asked for."""
        if self._first is None:
            self._first = at
        self.reach(at)
        self._asked += blocks

    def reach(self, now: float) -> None:
        """Count the minutes that are over."""
        assert self._first is not None
        while now >= self._first + (self._minutes + 1) * MINUTE_S:
            asked, self._asked = self._asked, 0.0  # else the mean would have it twice
            self._count(asked)

    def draw(self, now: float, count: int, source: random.Random, usual_rate: float, *, is_steady: bool = False) -> list[float]:
        """Blocks per second in so many futures, spread evenly.

        `usual_rate`: that of USUAL_LOAD. `is_steady`: only the memory without end is believed.
        """
        self.reach(now)
        shapes = self._shapes(now, usual_rate * MINUTE_S)
        is_steady = is_steady or self._minutes < LEARNT_MINUTES
        drawn = sorted(
            self._rate(*shapes[-1 if is_steady else self._believed(source.random())], source) for _ in range(NEIGHBOURS * count)
        )
        return source.sample([drawn[NEIGHBOURS * place + source.randrange(NEIGHBOURS)] for place in range(count)], count)

    def _shapes(self, now: float, guess: float) -> list[tuple[float, float]]:
        """Of each memory's gamma distribution of blocks per minute: number of observations, and their exposure."""
        assert self._first is not None
        begun = max(1.0, now - self._first - self._minutes * MINUTE_S) / MINUTE_S
        found: list[tuple[float, float]] = []
        for blocks, squares, lasted in reversed(list(zip(self._blocks, self._squares, self._lasted, strict=True))):
            blocks, squares, lasted = blocks + self._asked, squares + self._asked**2, lasted + begun
            varied = blocks * blocks / squares if squares else 0.0
            each = blocks / varied if varied else self._mean()  # blocks of one observation
            prior = SHORT_PRIOR if found else PRIOR
            found.append((prior + varied, prior / guess + lasted / each))
            guess = found[0][0] / found[0][1]  # of memories that end: what all of history says
        return found[::-1]

    @staticmethod
    def _rate(observations: float, exposure: float, source: random.Random) -> float:
        return source.gammavariate(observations, 1.0 / exposure) / MINUTE_S

    def _believed(self, place: float) -> int:
        """The memory at this place (0 to 1) of all, each as long as it is likely."""
        least = min(self._losses)
        weights = [exp(least - loss) for loss in self._losses]
        place *= sum(weights)
        for memory, weight in enumerate(weights):
            place -= weight
            if place < 0.0:
                return memory
        return len(weights) - 1

    def _mean(self) -> float:
        """Blocks per minute, in all."""
        return max(self._blocks[-1] + self._asked, 1.0) / max(1.0, self._lasted[-1])

    def _count(self, blocks: float) -> None:
        if self._minutes >= LEARNT_MINUTES:
            self._judge(blocks)
        self._minutes += 1
        for index, memory in enumerate(MEMORIES_S):
            kept = exp(-MINUTE_S / memory)
            self._blocks[index] = kept * self._blocks[index] + blocks
            self._squares[index] = kept * self._squares[index] + blocks * blocks
            self._lasted[index] = kept * self._lasted[index] + 1.0
        self._strays += (blocks - self._mean()) ** 2

    def _judge(self, blocks: float) -> None:
        """How badly each memory foretold this minute: half the deviance of a count that strays as minutes here do."""
        spread = max(1.0, self._strays / max(1.0, self._blocks[-1]))
        for index, lasted in enumerate(self._lasted):
            told = max(self._blocks[index] / lasted, LEAST * self._mean())
            deviance = (blocks * log(blocks / told) if blocks else 0.0) - (blocks - told)
            self._losses[index] = FORGET * self._losses[index] + deviance / spread
