"""What may yet be asked for: pieces of the past, put together anew.

Pieces of real submissions keep what a formula loses: crowds, their priorities, who asks for long videos. The first piece of a
future begins at a moment of the past that was like now: as long after a submission, with about as many of its crowd before it,
in about the same time, in minutes about as busy. So a crowd that has begun goes on, as earlier ones did. What follows is drawn
piece by piece, since a long stretch would repeat, in future after future, what happened by chance after the few moments that are
like now; as many pieces are put into a future as its rate says (`Level`). Once there is more than a week of history, they come
mostly from the same hour of the week, and the hour tells what is quiet and what is busy.

For the first piece the past is weighted by likeness; the others are a circular block bootstrap (Politis & Romano 1992).
"""

from __future__ import annotations

import random
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from math import ceil, inf, log, log1p, nextafter

import numpy as np
from numpy.typing import NDArray

from scheduler.forecast.demand_level import Level
from scheduler.forecast.witness import Request

REMEMBERED = 100_000
COMPARED = 20_000  # of them are looked at for moments like now
LEAST = 12  # fewer submissions are drawn one by one
ALONE = 0.2  # of the mean time between two submissions while the house is in use: after so long another crowd begins
# "Like now", each as a logarithm, one spread: submissions of the crowd, seconds since it began, submissions in the minutes before
MANY, LASTED, BUSY = 0.3, 0.5, 0.5
BEGUN_S = 2.0  # below that it does not matter how long a crowd has lasted
BUSY_S = 320.0
ANY_MOMENT = 0.01  # of a moment like now: so much do all the others count
LEAST_MOMENTS = 5  # with fewer that are like now, any is taken
FIRST_S, PIECE_S = 40.0, 60.0
WEEK_S = 7 * 86_400.0
SAME_HOUR_S = 1800.0
SAME_HOUR = 0.9  # of the pieces, after a week
HORIZON_S = 14 * 86_400.0
Coming = Iterator[tuple[float, Request]]


class Demand:
    """Submissions as they came."""

    def __init__(self) -> None:
        self._at = array("d")
        self._blocks = 0  # asked for in all
        self._requests: list[Request] = []
        self._level = Level()

    def submitted(self, request: Request) -> None:
        """One more; the oldest are forgotten in the end."""
        if len(self._at) >= REMEMBERED:
            half = REMEMBERED // 2
            self._blocks -= sum(one.blocks for one in self._requests[:half])
            del self._at[:half], self._requests[:half]
        at = max(request.at, self._at[-1]) if self._at else request.at
        self._level.submitted(at, request.blocks)
        self._at.append(at)
        self._requests.append(request)
        self._blocks += request.blocks

    def spread(self, now: float, source: random.Random, count: int, usual_rate: float) -> list[Coming]:
        """So many futures, in any order: submissions of the next two weeks (seconds after now, what), in order of time.

        None come where nothing was ever asked for. `usual_rate`: blocks per second at which a house like this one is as
        busy as houses are (`USUAL_LOAD`). First pieces and rates are spread evenly over the futures:
        each alone is as likely as a drawn one, together they stray less (stratified sampling).
        """
        if not self._at:
            return [iter(()) for _ in range(count)]
        rates = self._level.draw(now, count, source, usual_rate, is_steady=now - self._at[0] > WEEK_S)
        if len(self._at) < LEAST:
            each = self._blocks / len(self._at)
            return [self._one_by_one(rate / each, source) for rate in rates]
        begins = self._begins(now, source, count)
        mean = self._blocks / self._span(now)
        return [self._pieces(begin, now, rate / mean, source) for begin, rate in zip(begins, rates, strict=True)]

    def latest(self, count: int) -> list[Request]:
        """So many, or as many as there were."""
        return self._requests[-count:]

    def _one_by_one(self, rate: float, source: random.Random) -> Coming:
        after = 0.0
        while (after := after + source.expovariate(rate)) < HORIZON_S:
            yield after, source.choice(self._requests)

    def _pieces(self, begin: float, now: float, often: float, source: random.Random) -> Coming:
        """`often`: how many pieces lie upon one another, in the mean; below 1 there are gaps."""
        span = self._span(now)
        piece_s = max(PIECE_S, span / len(self._at))
        yield from self._between(begin, begin + FIRST_S, -begin)
        after = FIRST_S
        whole, rest = divmod(often, 1.0)
        while after < HORIZON_S:
            if not whole:  # so many without a piece (geometric)
                after += piece_s * int(min(HORIZON_S, log(1.0 - source.random()) / log1p(-rest))) if rest else HORIZON_S
                if after >= HORIZON_S:
                    return  # so far away no moment of the past can be reckoned
            together: list[tuple[float, Request]] = []
            for _ in range(int(whole) + (not whole or source.random() < rest)):
                together += self._piece(self._moment(now, after, source), piece_s, span, after)
            together.sort(key=lambda one: one[0])
            yield from together
            after += piece_s

    def _span(self, now: float) -> float:
        """How long the past is, in seconds; no shorter than a piece, which else would have the same submissions many times."""
        return max(PIECE_S, now - self._at[0])

    def _piece(self, begin: float, piece_s: float, span: float, after: float) -> Coming:
        """The past goes on at its beginning where it ends: else its last minutes would come up less often."""
        first, ends = nextafter(self._at[0], -inf), self._at[0] + span  # the first submission itself is part of it
        while piece_s > 0.0:
            length = min(piece_s, ends - begin)
            yield from self._between(begin, begin + length, after - begin)
            after, piece_s, begin = after + length, piece_s - length, first

    def _between(self, since: float, until: float, shift: float) -> Coming:
        """After `since`."""
        for place in range(bisect_right(self._at, since), bisect_right(self._at, until)):
            yield self._at[place] + shift, self._requests[place]

    def _begins(self, now: float, source: random.Random, count: int) -> list[float]:
        """Moments like now, as often as they are like it, and spread evenly over how many came after them."""
        at = np.array(self._at[-COMPARED:])
        lag, alone_s = max(0.0, now - at[-1]), ALONE * float(np.minimum(np.diff(at), BUSY_S).mean())  # nights do not count
        like = _likeness(at, alone_s)
        like_now = np.array([0.0, log(BEGUN_S) / LASTED, like[-1, 2]]) if lag > alone_s else like[-1]
        off = ((like[:-1] - like_now) ** 2).sum(axis=1)
        likeness: NDArray[np.float64] = np.exp(-0.5 * off) + ANY_MOMENT / len(off)
        likeness *= np.diff(at) >= lag
        if np.count_nonzero(likeness) < LEAST_MOMENTS:
            return [source.uniform(self._at[0], now) for _ in range(count)]
        starts = at[:-1] + lag
        coming = np.searchsorted(at, starts + FIRST_S, side="right") - np.searchsorted(at, starts, side="right")
        order = np.argsort(coming, kind="stable")
        sums = np.cumsum(likeness[order])
        places = sums[-1] * (np.arange(count) + [source.random() for _ in range(count)]) / count
        found = np.minimum(np.searchsorted(sums, places, side="right"), len(sums) - 1)
        return source.sample([float(starts[order[index]]) for index in found], count)

    def _moment(self, now: float, after: float, source: random.Random) -> float:
        """Of the past, any; after a week mostly the hour of the week that will be then."""
        first = self._at[0]
        least, most = ceil((after + PIECE_S + SAME_HOUR_S) / WEEK_S), int((now + after - first) / WEEK_S)
        if least <= most and source.random() < SAME_HOUR:
            return now + after - source.randint(least, most) * WEEK_S + source.uniform(-SAME_HOUR_S, SAME_HOUR_S)
        return source.uniform(first, first + self._span(now))


def _likeness(at: NDArray[np.float64], alone_s: float) -> NDArray[np.float64]:
    """Of each submission, in order of time, what makes moments alike (n, 3), in spreads: how many of its crowd had come, how long
    the crowd had lasted, and how many came in the minutes before. After a gap of `alone_s` another crowd begins."""
    places = np.arange(len(at))
    first = np.maximum.accumulate(np.where(np.diff(at, prepend=-inf) > alone_s, places, 0))
    many, lasted = np.log1p(places - first), np.log(at - at[first] + BEGUN_S)
    busy = np.log1p(places + 1 - np.searchsorted(at, at - BUSY_S))
    return np.stack([many / MANY, lasted / LASTED, busy / BUSY], axis=1)
