"""Two simple ways to foretell a finish, to be measured against: the work ahead, and what such jobs took before."""

from __future__ import annotations

from collections import deque

from scheduler.core.job import OWNED_STATES, Job
from scheduler.core.state import State
from scheduler.forecast.ranges import Estimate, Range, range_of
from scheduler.forecast.witness import Forecaster, Request

FIRST_BLOCK_S = 0.48  # until a block was seen
BAND = 0.3  # the fixed band around the work ahead
LEAST_RUNS = 5
REMEMBERED = 200


class WorkAhead(Forecaster):
    """Blocks of everybody ahead, divided by the slots, at the mean pace so far; plus and minus a fixed band."""

    def __init__(self) -> None:
        self._seconds, self._blocks = FIRST_BLOCK_S, 1

    def block_done(self, at: float, job_id: str, seconds: float) -> None:
        """Count it into the mean."""
        self._seconds += seconds
        self._blocks += 1

    def predict(self, state: State, request: Request) -> Estimate | None:
        """Jobs that run, and those before it in line."""
        job = state.jobs.get(request.id)
        if job is None:
            return None
        pace = self._seconds / self._blocks
        ahead = 0
        if job.state not in OWNED_STATES:
            ahead = sum(_left(other) for other in state.jobs.values() if other.state in OWNED_STATES)
            for other in state.line.best_first():
                if other.id == job.id:
                    break
                ahead += _left(other)
        start = ahead * pace / len(state.slots)
        finish = start + _left(job) * pace
        return Estimate(start=_band(start), finish=_band(finish))


class History(Forecaster):
    """What the last jobs of the same priority took, whatever their length."""

    def __init__(self) -> None:
        self._open: dict[str, Request] = {}
        self._starts: dict[int, deque[float]] = {}
        self._finishes: dict[int, deque[float]] = {}

    def submitted(self, request: Request) -> None:
        """Remember when it came."""
        self._open[request.id] = request

    def ended(self, at: float, job_id: str, is_success: bool) -> None:
        """One more figure for its priority."""
        request = self._open.pop(job_id)
        if is_success:
            self._finishes.setdefault(request.priority, deque(maxlen=REMEMBERED)).append(at - request.at)

    def started(self, at: float, job_id: str) -> None:
        """How long it waited; taken up again counts too, as this way is simple."""
        request = self._open[job_id]
        self._starts.setdefault(request.priority, deque(maxlen=REMEMBERED)).append(at - request.at)

    def predict(self, state: State, request: Request) -> Estimate | None:
        """The hundredths of what was, or None before there were five."""
        finishes = self._finishes.get(request.priority, ())
        if len(finishes) < LEAST_RUNS:
            return None
        return Estimate(start=range_of(self._starts[request.priority]), finish=range_of(finishes), runs=len(finishes))


def _left(job: Job) -> int:
    return job.total_blocks - job.blocks_done


def _band(seconds: float) -> Range:
    return Range(seconds * (1 - BAND), seconds, seconds * (1 + BAND))
