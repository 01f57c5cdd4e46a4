"""What may yet be asked for: the past replayed from a moment that looks like now.

A stretch of real submissions keeps what a formula loses: crowds, their priorities, who asks for long videos. Moments of
the same hour of the week are preferred once there is more than a week of history.
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
WEEK_S = 7 * 86_400.0
SAME_HOUR_S = 1800.0


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
        """Endless future submissions (seconds after now, what), in order of time."""
        if len(self._at) < LEAST:
            return self._one_by_one(now, source)
        return self._replay(now, source)

    def _one_by_one(self, now: float, source: random.Random) -> Iterator[tuple[float, Request]]:
        if not self._at:
            return
        span = max(60.0, now - self._at[0])
        rate = source.gammavariate(len(self._at) + 0.5, 1.0) / span
        after = 0.0
        while True:
            after += source.expovariate(rate)
            yield after, source.choice(self._requests)

    def _replay(self, now: float, source: random.Random) -> Iterator[tuple[float, Request]]:
        first, last = self._at[0], self._at[-1]
        here = self._asked(now - LOOK_BACK_S, now)
        begin, after = self._moment(now, source, here), 0.0
        while True:
            for index in range(bisect_left(self._at, begin), len(self._at)):
                yield after + self._at[index] - begin, self._requests[index]
            after += last - begin + source.expovariate(len(self._at) / max(1.0, last - first))
            begin = self._moment(now, source, None)

    def _moment(self, now: float, source: random.Random, here: float | None) -> float:
        """A moment of the past; of several the one before which about as much was asked for as now."""
        first, last = self._at[0], self._at[-1]
        found = [self._candidate(now, first, last, source) for _ in range(CANDIDATES if here is not None else 1)]
        if here is None:
            return found[0]
        return min(found, key=lambda at: abs(log((self._asked(at - LOOK_BACK_S, at) + 20.0) / (here + 20.0))))

    def _candidate(self, now: float, first: float, last: float, source: random.Random) -> float:
        weeks = int((now - first) / WEEK_S)
        if weeks >= 1 and source.random() < 0.7:
            return now - source.randint(1, weeks) * WEEK_S + source.uniform(-SAME_HOUR_S, SAME_HOUR_S)
        return source.uniform(first, last)

    def _asked(self, since: float, until: float) -> float:
        low, high = bisect_left(self._at, since), bisect_left(self._at, until)
        return self._sums[high] - self._sums[low]
