"""What people are shown of forecasts from look to look: chance hardly moves it, and where it moves far, the reason is told.

Each look draws futures of its own, so its figures tremble. Where nothing has happened that could move a job, what is shown goes
only a part of the way to what the new look says; where something has, it jumps there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from math import exp
from typing import Any

from scheduler.core.fleet import WorkerState
from scheduler.core.job import OWNED_STATES, Job
from scheduler.core.state import State
from scheduler.forecast.ranges import Estimate, Range

MEMORY = 0.1  # of the time left: how long an old look's figures still count; so the lag is small against what is shown
FAR, FAR_S = 0.2, 5.0  # of the time that was left, and at least so many seconds: a move that is told
MOST_IN_LINE = 1_200  # of whom something can be said in time
_AT_WORK = (WorkerState.READY, WorkerState.BUSY)


@dataclass(frozen=True, slots=True)
class Moved:
    """The end that was shown has moved: when, by how many seconds (later is positive), why, and how many there were of that.

    Causes: "preempted", "started", "priority", "own" (something else about the job itself), "slots_fewer", "slots_more",
    "overtaken", "ahead_left" and "pace": none of these, so what is ahead of it, or it itself, is faster or slower than foreseen.
    """

    at: float
    by_s: float
    cause: str
    count: int

    def to_mapping(self) -> dict[str, Any]:
        """Plain data."""
        return {"at": round(self.at, 3), "by_s": round(self.by_s, 1), "cause": self.cause, "count": self.count}


@dataclass(frozen=True, slots=True)
class Settled:
    """What is shown: the range (None: there is none), and the last time that its end moved far."""

    estimate: Estimate | None
    moved: Moved | None


@dataclass(slots=True)
class _Shown:
    """Of one job, as it was shown `at` a look: times in seconds since 1970; `known`: the middle of the end that people know."""

    at: float
    starts: tuple[float, ...]
    goes_on: tuple[float, ...] | None
    ends: tuple[float, ...]
    own: Job
    known: float
    why: tuple[str, int] | None = None  # the latest reason since the end moved far
    moved: Moved | None = None


class Steady:
    """Remembers what was shown; one per forecaster."""

    def __init__(self) -> None:
        self._shown: dict[str, _Shown] = {}
        self._line: list[str] = []
        self._scheduled: set[str] = set()
        self._slots: int | None = None

    def settle(self, state: State, found: Mapping[str, Estimate]) -> dict[str, Settled]:
        """What is shown after this look at `state`, whose estimates are in seconds from `state.now`."""
        line = [job.id for job in islice(state.line.best_first(), MOST_IN_LINE)]
        slots = sum(1 for slot in state.slots if slot.worker in _AT_WORK and not slot.drained_for)
        newcomers, leavers, waiting = self._newcomers(state, line), self._leavers(state, line), set(line)
        reserved, freed = len(state.scheduled.keys() - self._scheduled), self._freed(state, waiting)
        change = 0 if self._slots is None else slots - self._slots
        settled, shown = {}, {}
        for job_id, estimate in found.items():
            job = state.jobs[job_id]
            others = (reserved, freed) if job_id in waiting else (0, 0)
            why = self._why(job, change, newcomers.get(job_id, 0) + others[0], leavers.get(job_id, 0) + others[1])
            one = shown[job_id] = self._next(job, estimate, state.now, why)
            settled[job_id] = Settled(_estimate(one, estimate, state.now), one.moved)
        self._shown, self._line, self._slots, self._scheduled = shown, line, slots, set(state.scheduled)
        return settled

    def _next(self, job: Job, estimate: Estimate, now: float, why: tuple[str, int] | None) -> _Shown:
        starts, ends = _at(estimate.start, now), _at(estimate.finish, now)
        goes_on = None if estimate.goes_on is None else _at(estimate.goes_on, now)
        before = self._shown.get(job.id)
        if before is None:
            return _Shown(now, starts, goes_on, ends, replace(job), ends[1])
        if why is None:
            left_s = max(1.0, min(before.ends[1], ends[1]) - now)  # the lag is small against the lesser of both
            part = 1.0 - exp(-max(0.0, now - before.at) / (MEMORY * left_s))
            starts, ends = _part_way(before.starts, starts, part), _part_way(before.ends, ends, part)
            if goes_on is not None and before.goes_on is not None:
                goes_on = _part_way(before.goes_on, goes_on, part)
        one = _Shown(now, starts, goes_on, ends, replace(job), before.known, why or before.why, before.moved)
        by_s = ends[1] - before.known
        if abs(by_s) > max(FAR_S, FAR * (before.known - now)):
            cause, count = one.why or ("pace", 0)
            one.moved, one.known, one.why = Moved(now, by_s, cause, count), ends[1], None
        return one

    def _why(self, job: Job, slots: int, newcomers: int, leavers: int) -> tuple[str, int] | None:
        """What has happened since the last look that can move this job, the nearest to it first."""
        before = self._shown.get(job.id)
        if before is None:
            return None
        own = _own_reason(before.own, job)
        if own is not None:
            return own, 0
        if slots:
            return ("slots_more" if slots > 0 else "slots_fewer"), abs(slots)
        if newcomers:
            return "overtaken", newcomers
        return ("ahead_left", leavers) if leavers else None

    def _newcomers(self, state: State, line: list[str]) -> dict[str, int]:
        """Of each that stood in line at the last look, too: how many stand before it now who did not then."""
        then = set(self._line)
        found, count = {}, 0
        for job_id in line:
            if job_id in then:
                found[job_id] = count
            if job_id not in then or self._is_moved(state.jobs[job_id]):
                count += 1
        return found

    def _leavers(self, state: State, line: list[str]) -> dict[str, int]:
        """Of each that stood in line then: how many stood before it who are gone, and not because their turn came."""
        now = set(line)
        found, count = {}, 0
        for job_id in self._line:
            found[job_id] = count
            job = state.jobs.get(job_id)
            if job_id not in now and (job is None or job.state not in OWNED_STATES):
                count += 1
        return found

    def _freed(self, state: State, waiting: set[str]) -> int:
        """How many gave up a slot sooner than they were to (cancelled, failed, paused), or a time that was reserved for them.

        Who gave way and stands in line again is not gone.
        """
        count = sum(1 for job_id in self._scheduled if job_id not in state.jobs)
        for job_id, shown in self._shown.items():
            job = state.jobs.get(job_id)
            has_left = job is None or (job.state not in OWNED_STATES and job_id not in waiting)
            count += has_left and shown.own.state in OWNED_STATES and shown.ends[0] > state.now
        return count

    def _is_moved(self, job: Job) -> bool:
        before = self._shown.get(job.id)
        return before is not None and job.priority > before.own.priority


def _own_reason(before: Job, job: Job) -> str | None:
    if job.preemptions > before.preemptions:
        return "preempted"
    if job.priority != before.priority:
        return "priority"
    if job.state is not before.state:
        return "started" if job.state in OWNED_STATES else "own"
    is_same = (job.hold, job.is_paused, job.rungs, job.total_blocks, job.leases) == (
        before.hold, before.is_paused, before.rungs, before.total_blocks, before.leases,
    )  # fmt: skip
    return None if is_same else "own"


def _at(seconds: Range, now: float) -> tuple[float, ...]:
    return now + seconds.p10, now + seconds.p50, now + seconds.p90


def _part_way(before: tuple[float, ...], after: tuple[float, ...], part: float) -> tuple[float, ...]:
    return tuple(old + part * (new - old) for old, new in zip(before, after, strict=True))


def _estimate(shown: _Shown, estimate: Estimate, now: float) -> Estimate:
    """Back to seconds from now; nothing that is still to come lies in the past."""
    least = 0.0 if estimate.start.p90 >= 0.0 else estimate.start.p10
    starts = Range(*(max(least, at - now) for at in shown.starts))
    goes_on = None if shown.goes_on is None else _to_come(shown.goes_on, now)
    return Estimate(start=starts, finish=_to_come(shown.ends, now), goes_on=goes_on, runs=estimate.runs)


def _to_come(times: tuple[float, ...], now: float) -> Range:
    return Range(*(max(0.0, at - now) for at in times))
