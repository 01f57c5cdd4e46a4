"""One who knows every pace and everything that will be asked for, though neither the blocks' noise nor the faults to come.

Its error is the floor: what no forecaster that has to learn can go below.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterator
from math import exp, log

from scheduler.core.state import State
from scheduler.costs import Costs
from scheduler.forecast.learnt import Learnt
from scheduler.forecast.paces import Pace
from scheduler.forecast.ranges import Estimate, Range
from scheduler.forecast.rollout import Rollout
from scheduler.forecast.snapshot import Snapshot
from scheduler.forecast.witness import Request
from scheduler.simulation.pace import Paces
from scheduler.simulation.trace import Trace, request_of

SAMPLES = 4
HORIZON_S = 14 * 86_400.0
TO_P90 = 1.2816


class Oracle(Learnt):
    """Runs the core forward with the truth."""

    def __init__(self, trace: Trace, costs: Costs, seed: int) -> None:
        super().__init__(lambda _: costs.block_s)
        self._lines = {line.id: line for line in trace.jobs}
        self._order, self._begins_at = trace.jobs, trace.begins_at
        self._times = [self._begins_at + line.at for line in trace.jobs]  # as the world reckons them, to the last bit
        self._truth, self._block_sigma = Paces(costs, seed, trace.opens), costs.block_sigma
        self._random = random.Random(f"oracle:{seed}")

    def predict(self, state: State, request: Request) -> Estimate | None:
        """The range that the blocks' noise and the usual faults leave."""
        snapshot = Snapshot(state)
        now = snapshot.now - self._begins_at

        def pace_of(one: Request, is_future: bool) -> Pace:
            return Pace(log(self._truth.known_s(self._lines[one.id], now)), 0.0, self._block_sigma)

        futures = [
            Rollout(snapshot, self, self._random, pace_of, arrivals=self._coming(snapshot.now)).run({request.id}, HORIZON_S)
            for _ in range(SAMPLES)
        ]
        found = [future[request.id] for future in futures if request.id in future]
        if not found:
            return None
        return Estimate(start=_range([outcome[0] for outcome in found]), finish=_range([outcome[1] for outcome in found]))

    def _coming(self, now: float) -> Iterator[tuple[float, Request]]:
        for number in range(bisect_right(self._times, now), len(self._order)):
            yield self._times[number] - now, request_of(self._order[number], self._begins_at)


def _range(values: list[float]) -> Range:
    logs = [log(max(0.01, value)) for value in values]
    middle = sum(logs) / len(logs)
    spread = (sum((value - middle) ** 2 for value in logs) / max(1, len(logs) - 1)) ** 0.5
    return Range(exp(middle - TO_P90 * spread), exp(middle), exp(middle + TO_P90 * spread))
