"""Why a queued job is not running: its own reason or the situation's, as data and as a sentence in two languages.

A job's row keeps its own reason (paused, retrying …) or how it came to the line (preempted, recovering). What holds
everybody back at once (queue paused, no worker, all drained) or follows from what plays elsewhere (excluded) is not
written onto thousands of rows: it is derived here from the `Situation`, which the daemon keeps as one fact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import ceil
from typing import Any

from scheduler.core.fleet import WorkerState
from scheduler.core.job import OWN_HOLDS, HoldReason, Job, JobState
from scheduler.core.ordering import is_in_line
from scheduler.core.sentences import sentence
from scheduler.core.state import State

AHEAD_SHOWN = 5  # ids of jobs ahead that an explanation names

_READY = (WorkerState.READY, WorkerState.BUSY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Playing:
    """A job that a slot's worker holds."""

    slot: int
    job_id: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What holds for all queued jobs at once. `excluded` maps a role to those that may not play with it (both ways)."""

    is_queue_paused: bool = False
    slots: int = 1
    drained_slots: int = 0
    ready_slots: int = 0  # not drained, with a worker that is warm or busy
    playing: tuple[Playing, ...] = ()
    excluded: tuple[tuple[str, tuple[str, ...]], ...] = ()
    handicaps: tuple[tuple[str, float], ...] = ()  # points that fair share takes from a team's jobs

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for the store."""
        return {
            "is_queue_paused": self.is_queue_paused, "slots": self.slots, "drained_slots": self.drained_slots,
            "ready_slots": self.ready_slots,
            "playing": [{"slot": p.slot, "job_id": p.job_id, "role": p.role} for p in self.playing],
            "excluded": {role: list(others) for role, others in self.excluded},
            "handicaps": dict(self.handicaps),
        }  # fmt: skip

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Situation:
        """Inverse of `to_mapping`."""
        return cls(
            is_queue_paused=bool(data["is_queue_paused"]), slots=int(data["slots"]),
            drained_slots=int(data["drained_slots"]), ready_slots=int(data["ready_slots"]),
            playing=tuple(Playing(**entry) for entry in data["playing"]),
            excluded=tuple((role, tuple(others)) for role, others in data["excluded"].items()),
            handicaps=tuple((team, float(points)) for team, points in data.get("handicaps", {}).items()),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The reason, its data and its sentence: `text["en"]`, `text["zh"]`."""

    reason: HoldReason
    text: dict[str, str]
    data: dict[str, Any] = field(default_factory=dict)


def situation_of(state: State) -> Situation:
    """The situation now; compare with the last one to see whether it has to be written. O(slots + relations)."""
    return Situation(
        is_queue_paused=state.is_queue_paused, slots=len(state.slots),
        drained_slots=sum(slot.is_drained for slot in state.slots),
        ready_slots=sum(slot.worker in _READY and not slot.is_drained for slot in state.slots),
        playing=tuple(
            Playing(slot=slot.number, job_id=slot.job_id, role=slot.role)
            for slot in state.slots
            if slot.job_id is not None and slot.role is not None
        ),
        excluded=state.relations.pairs(),
        handicaps=tuple((team, round(points, 2)) for team, points in state.line.handicaps.items() if points),
    )  # fmt: skip


def hold_of(job: Job, situation: Situation) -> HoldReason:
    """The reason that a person should read first. Only for queued jobs."""
    assert job.state is JobState.QUEUED, (job.id, job.state)
    if job.hold in OWN_HOLDS and job.hold is not None:
        return job.hold
    if situation.is_queue_paused:
        return HoldReason.QUEUE_PAUSED
    if situation.drained_slots == situation.slots:
        return HoldReason.SLOT_DRAINED
    if situation.ready_slots == 0:
        return HoldReason.NO_WORKER
    if _excluder(job, situation) is not None:
        return HoldReason.EXCLUDED
    return job.hold or HoldReason.WAITING_FOR_SLOT


def explain(
    job: Job, situation: Situation, at: float,
    place: tuple[int, int] | None = None, ahead: Sequence[str] = (), rung: str = "",
) -> Explanation:  # fmt: skip
    """Explain a queued job. `place` and `ahead` as known to the caller; pure, so pages may use it on rows they read."""
    reason = hold_of(job, situation)
    data: dict[str, Any] = {"role": job.role, "blocks_done": job.blocks_done, "ahead": list(ahead[:AHEAD_SHOWN])}
    if is_in_line(job, at) and place is not None:
        data["place"], data["total"] = place
    if reason is HoldReason.RETRYING:
        data["until"] = job.not_before
        data["wait_s"] = max(0, ceil(job.not_before - at))
    elif reason is HoldReason.AWAITING_CONSENT:
        data["rung"] = rung or job.offer or "…"
    elif reason is HoldReason.EXCLUDED:
        other = _excluder(job, situation)
        assert other is not None
        data |= {"other_role": other.role, "other_job": other.job_id, "slot": other.slot}
    code = reason.value
    if reason is HoldReason.WAITING_FOR_SLOT and (not ahead or data.get("place") == 1):
        code = "next_in_line"
    words = {"place": "?", "total": "?", **data, "first_ahead": ahead[0] if ahead else "?"}
    return Explanation(reason=reason, text=sentence(code, **words), data=data)


def why(state: State, job_id: str) -> Explanation | None:
    """Explain a job from the core's own state; None when it is not queued."""
    job = state.jobs.get(job_id)
    if job is None or job.state is not JobState.QUEUED:
        return None
    place = state.line.place(job_id)
    ahead: list[str] = []
    if place is not None:
        ahead = [other.id for other in islice(state.line.best_first(), min(AHEAD_SHOWN, place[0] - 1))]
    return explain(job, situation_of(state), state.now, place, ahead)


def _excluder(job: Job, situation: Situation) -> Playing | None:
    excluded = next((others for role, others in situation.excluded if role == job.role), ())
    return next((playing for playing in situation.playing if playing.role in excluded), None)
