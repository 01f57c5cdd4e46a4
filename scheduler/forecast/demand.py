"""What may yet be asked for: the past replayed from a moment that looks like now.

A stretch of real submissions keeps what a formula loses: crowds, their priorities, who asks for long videos. Moments of
the same hour of the week are preferred once there is more than a week of history.

What was seen may end. How long a house goes on being asked as it was so far is drawn as from somebody who comes by at a random
moment of it (Gott 1993): seen for T seconds, it lasts t more with probability T / (T + t), as long again in one future of two.
After that nobody knows: a share of as much goes on, any from all to a hundredth, in ratios equally likely. So ten jobs in a
house's first minute are a first crowd in one future and the daily rate in another, and after a day the rule says nothing any
more. A longest span, or a gamma prior of the rate, would need a number of seconds, true of one house and wrong of the next: too
large, and a busy house counts as idle in its first half hour; too small, and a crowd never ends.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Iterator
from math import log

from scheduler.forecast.witness import Request

REMEMBERED = 20_000
LEAST = 12  # fewer submissions are drawn one by one
LOOK_BACK_S = 300.0  # "looks like now": as much was asked for in the minutes before
CANDIDATES = 6
NEIGHBOURS = 8
WEEK_S = 7 * 86_400.0
SAME_HOUR_S = 1800.0
LEAST_SHARE = 0.01  # of what was asked for, once it has ended
LEAST_ROUND_S = 1e-3  # a replay from the last moment takes time too


class Demand:
    """Submissions as they came."""

    def __init__(self) -> None:
        self._at: list[float] = []
        self._sums: list[float] = [0.0]  # blocks asked for before each
        self._requests: list[Request] = []

    def submitted(self, request: Request) -> None:
        """One more; the oldest are forgotten in the end."""
        if len(self._at) >= REMEMBERED:
            half = REMEMBERED // 2
            del self._at[:half], self._requests[:half]
            base = self._sums[half]
            self._sums = [value - base for value in self._sums[half:]]
        self._at.append(max(request.at, self._at[-1]) if self._at else request.at)
        self._requests.append(request)
        self._sums.append(self._sums[-1] + request.blocks)

    def draw(self, now: float, source: random.Random) -> Iterator[tuple[float, Request]]:
        """Endless future submissions (seconds after now, what), in order of time; none where nothing was ever asked for."""
        return self.spread(now, source, 1)[0]

    def spread(self, now: float, source: random.Random, count: int) -> list[Iterator[tuple[float, Request]]]:
        """So many futures, in any order: spread evenly over how much may come and how long that may last.

        Each of them alone is as likely as a drawn one; together they stray less than so many drawn ones (stratified sampling).
        """
        if not self._at:
            return [iter(()) for _ in range(count)]
        if len(self._at) < LEAST:
            coming = [self._one_by_one(now, source) for _ in range(count)]
        else:
            coming = [self._replay(begin, now, source) for begin in self._begins(now, source, count)]
        ends = source.sample([(place + source.random()) / count for place in range(count)], count)
        return [self._ending(one, now, end, source) for one, end in zip(coming, ends, strict=True)]

    def _ending(
        self, coming: Iterator[tuple[float, Request]], now: float, end: float, source: random.Random
    ) -> Iterator[tuple[float, Request]]:
        """`end`: the share of futures in which it lasts less long."""
        lasts_s = (now - self._at[0]) * end / (1.0 - end)
        share = LEAST_SHARE ** source.random()
        for after, request in coming:
            if after < lasts_s or source.random() < share:
                yield after, request

    def _one_by_one(self, now: float, source: random.Random) -> Iterator[tuple[float, Request]]:
        """The first submission only says since when there is something to see; half a one is added, as nobody knows."""
        rate = source.gammavariate(len(self._at) - 0.5, 1.0) / max(1.0, now - self._at[0])
        after = 0.0
        while True:
            after += source.expovariate(rate)
            yield after, source.choice(self._requests)

    def _replay(self, begin: float, now: float, source: random.Random) -> Iterator[tuple[float, Request]]:
        """From a moment of the past to now, quiet minutes included, and from other moments again."""
        after = 0.0
        while True:
            for index in range(bisect_left(self._at, begin), len(self._at)):
                yield after + self._at[index] - begin, self._requests[index]
            after += max(now, self._at[-1]) - begin + LEAST_ROUND_S
            begin = self._moment(now, source, None)

    def _begins(self, now: float, source: random.Random, count: int) -> list[float]:
        """Moments like now: more than are needed, by how much was asked for after them; one of each few neighbours."""
        here = self._asked(now - LOOK_BACK_S, now)
        found = [self._moment(now, source, here) for _ in range(NEIGHBOURS * count)]
        found.sort(key=lambda at: self._asked(at, at + LOOK_BACK_S))
        chosen = [found[NEIGHBOURS * place + source.randrange(NEIGHBOURS)] for place in range(count)]
        return source.sample(chosen, count)

    def _moment(self, now: float, source: random.Random, here: float | None) -> float:
        """A moment of the past; of several the one before which about as much was asked for as now."""
        found = [self._candidate(now, source) for _ in range(CANDIDATES if here is not None else 1)]
        if here is None:
            return found[0]
        return min(found, key=lambda at: abs(log((self._asked(at - LOOK_BACK_S, at) + 20.0) / (here + 20.0))))

    def _candidate(self, now: float, source: random.Random) -> float:
        first = self._at[0]
        weeks = int((now - first) / WEEK_S)
        if weeks >= 1 and source.random() < 0.7:
            return now - source.randint(1, weeks) * WEEK_S + source.uniform(-SAME_HOUR_S, SAME_HOUR_S)
        return source.uniform(first, now)

    def _asked(self, since: float, until: float) -> float:
        low, high = bisect_left(self._at, since), bisect_left(self._at, until)
        return self._sums[high] - self._sums[low]
