"""What forecasts could be: the forecaster told one truth at a time, or every chance there is and no outcome.

Each is the forecaster itself but for what it is told, so that the differences are what not knowing costs:
`own_pace`: the pace of the job asked about. `paces`: those of all jobs, later ones too. `arrivals`: every submission to come.
`chances`: the law that the trace was drawn from (rates by the minute, sizes of crowds, priorities, lengths, spread of paces,
the house's drift just now, how often slots fail and for how long), and all that came of it until now; not what will be drawn
from it. Nobody can know more without knowing the future: where `chances` misses a goal, it is out of reach.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from heapq import heappop, heappush
from math import log
from operator import attrgetter

from benchmarks.forecast_crowds import StillToCome
from scheduler.core.state import State
from scheduler.costs import Costs
from scheduler.forecast.estimator import Estimator
from scheduler.forecast.losses import Losses
from scheduler.forecast.paces import Pace, Paces
from scheduler.forecast.ranges import Estimate
from scheduler.forecast.witness import Forecaster, Request
from scheduler.simulation import pace
from scheduler.simulation.synthetic import KINDS, Day, Kind
from scheduler.simulation.trace import Trace, TraceJob, request_of

SAMPLES = 32
OTHERS = 1_000_000  # jobs that were never drawn are numbered from here


class Told(Estimator):
    """The forecaster, with the truth at hand for those who add what they are told of it."""

    def __init__(self, trace: Trace, costs: Costs, seed: int) -> None:
        super().__init__(lambda request: costs.block_s * costs.presets.get(request.preset, 1.0), seed)
        self.costs, self.truth = costs, pace.Paces(costs, seed)
        self.lines = {line.id: line for line in trace.jobs}
        self.now, self.asked = 0.0, ""

    def predict(self, state: State, request: Request) -> Estimate | None:
        """Remember who is asked about."""
        self.asked = request.id
        return super().predict(state, request)

    def estimates(
        self, state: State, wanted: Iterable[str] | None = None, *, scored: Collection[str] = (), is_watching: bool = False,
        most_samples: int = SAMPLES,
    ) -> dict[str, Estimate]:  # fmt: skip
        """Remember when."""
        self.now = state.now
        return super().estimates(state, wanted, scored=scored, is_watching=is_watching, most_samples=most_samples)

    def true_pace(self, request: Request) -> Pace:
        """As things are: the drift to come and the blocks' noise are not known."""
        return Pace(log(self.truth.known_s(self.lines[request.id], self.now)), 0.0, self.costs.block_sigma)


class ToldOwnPace(Told):
    """Knows the pace of the job asked about."""

    def _expected(self, request: Request, is_future: bool) -> Pace:
        return self.true_pace(request) if request.id == self.asked else super()._expected(request, is_future)


class ToldPaces(Told):
    """Knows every job's pace; what replayed submissions took, too."""

    def _expected(self, request: Request, is_future: bool) -> Pace:
        return self.true_pace(request)


class ToldArrivals(Told):
    """Knows every submission to come."""

    def _coming(self, now: float, count: int, slots: int) -> list[Iterator[tuple[float, Request]]]:
        lines = sorted(self.lines.values(), key=attrgetter("at"))
        coming = [(line.at - now, request_of(line)) for line in lines if line.at > now]
        return [iter(coming) for _ in range(count)]


class ToldChances(Told):
    """Knows the law, and what it lets expect after all that came."""

    def __init__(self, trace: Trace, costs: Costs, seed: int, kind: str, slots: int) -> None:
        super().__init__(trace, costs, seed)
        self.day = Day(KINDS[kind], slots, random.Random(f"chances:{kind}:{seed}"), first=OTHERS)
        self.still_to_come = StillToCome(KINDS[kind]) if KINDS[kind].bursts_per_h else None
        self._ahead = deque(sorted(trace.jobs, key=attrgetter("at")))
        self.paces = _KnownPaces(self)
        if KINDS[kind].losses_per_slot_h:
            self.losses = _KnownLosses(KINDS[kind])

    def law_of(self, request: Request) -> Pace:
        """Of a job like this, before it has made a block."""
        sigma = self.day.kind.job_sigma
        some = next(iter(self.lines.values()))
        drift = log(self.truth.known_s(some, self.now) / self.truth.mean_s(some))
        return Pace(log(self.day.middle_s(request.preset, request.at)) + drift - sigma * sigma / 2, sigma, self.costs.block_sigma)

    def _coming(self, now: float, count: int, slots: int) -> list[Iterator[tuple[float, Request]]]:
        """Asked in order of time."""
        if self.still_to_come is None:
            return [self._drawn(now, 0) for _ in range(count)]
        while self._ahead and self._ahead[0].at <= now:
            at = self._ahead.popleft().at
            self.still_to_come.submitted(at, self.day.single_rate(at))
        self.still_to_come.reach(now)
        return [self._drawn(now, rest) for rest in self.still_to_come.draw(count, self.day.random)]

    def _drawn(self, now: float, rest: int) -> Iterator[tuple[float, Request]]:
        """`rest`: so many are still to come of crowds that have begun."""
        waiting: list[tuple[float, str, TraceJob]] = []
        for job in self.day.rest(now, rest):
            heappush(waiting, (job.at, job.id, job))
        for at, jobs in self.day.moments(now):
            while waiting and waiting[0][0] <= at:
                line = heappop(waiting)[2]
                yield line.at - now, request_of(line)
            for job in jobs:
                heappush(waiting, (job.at, job.id, job))


_PLAIN: dict[str, Callable[[Trace, Costs, int], Told]] = {
    "own_pace": ToldOwnPace, "paces": ToldPaces, "arrivals": ToldArrivals,
}  # fmt: skip
CHANCES = "chances"
TOLD = (*_PLAIN, CHANCES)


class _KnownPaces(Paces):
    """The law in place of what is learnt; a running job's own blocks still count."""

    def __init__(self, told: ToldChances) -> None:
        super().__init__(told.paces.nominal)
        self._told = told

    def _pace(self, request: Request, without: str) -> Pace:
        return self._told.law_of(request)


class _KnownLosses(Losses):
    """Faults as they are drawn."""

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self._kind = kind

    def rate(self, now: float) -> float:
        """Losses per slot and second."""
        return self._kind.losses_per_slot_h / 3600.0

    def draw_down_s(self, source: random.Random) -> float:
        """How long a slot will be without worker."""
        return source.uniform(*self._kind.down_s)

    def draw_rest_s(self, slot: int, now: float, source: random.Random) -> float:
        """How much longer a slot that is down will stay so."""
        least, most = self._kind.down_s
        been_s = now - self._down_since.get(slot, now)
        return source.uniform(max(least, min(been_s, most)), most) - min(been_s, most)


def told_forecasters(
    names: Iterable[str], trace: Trace, costs: Costs, seed: int, kind: str, slots: int
) -> dict[str, Forecaster]:
    """By `told_` and what they are told, to be run beside the usual ones. Raises KeyError for a name not in TOLD."""
    found: dict[str, Forecaster] = {}
    for name in names:
        if name == CHANCES:
            found[f"told_{name}"] = ToldChances(trace, costs, seed, kind, slots)
        else:
            found[f"told_{name}"] = _PLAIN[name](trace, costs, seed)
    return found
