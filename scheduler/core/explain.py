"""Why a queued job is not running: its own reason or the situation's, as data and as a sentence in two languages.

A job's row keeps its own reason (paused, retrying …) or how it came to the line (preempted, recovering). What holds
everybody back at once (queue paused, no worker, all drained) or follows from what plays elsewhere (excluded) is not
written onto thousands of rows: it is derived here from the `Situation`, which the daemon keeps as one fact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import ceil
from typing import Any

from scheduler.core.approval import code_of
from scheduler.core.blockers import blockers_of, excluder_of, full_stage_of
from scheduler.core.fleet import Slot, WorkerState
from scheduler.core.job import OWN_HOLDS, HoldReason, Job, JobState
from scheduler.core.maintenance import CAUSE, closes_at
from scheduler.core.ordering import is_in_line
from scheduler.core.quotas import KINDS, limit_of
from scheduler.core.sentences import cost_of, sentence, sentence_at, sentence_of, sentence_of_file
from scheduler.core.situation import Playing, Situation
from scheduler.core.state import State

AHEAD_SHOWN = 5  # ids of jobs ahead that an explanation names

_READY = (WorkerState.READY, WorkerState.BUSY)


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
        maintained_slots=sum(slot.drained_for == {CAUSE} for slot in state.slots),
        ready_slots=sum(slot.worker in _READY and not slot.is_drained for slot in state.slots),
        playing=tuple(
            _playing(slot, state.jobs[slot.job_id])
            for slot in state.slots
            if slot.job_id is not None and slot.role is not None
        ),
        excluded=state.relations.pairs(),
        handicaps=tuple((team, round(points, 2)) for team, points in state.line.handicaps.items() if points),
        consent_timeout_s=state.policy.consent_timeout_s, drained_until=drained_until(state),
        running_limits=tuple(
            (kind, int(limit)) for kind in KINDS if (limit := limit_of(state.policy, "running", kind)) is not None
        ),
        missing=tuple(sorted(state.missing.items())),
        gangs=tuple((job_id, width) for job_id, width in state.gangs.items() if state.jobs[job_id].state is JobState.QUEUED),
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
    if excluder_of(job, situation) is not None:
        return HoldReason.EXCLUDED
    if full_stage_of(job, situation) is not None:
        return HoldReason.QUOTA_RUNNING
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
        data["cost"] = cost_of(data["rung"])
        if situation.consent_timeout_s is not None:
            data["until"] = max(job.submitted_at, job.offered_at) + situation.consent_timeout_s
    elif reason is HoldReason.EXCLUDED:
        other = excluder_of(job, situation)
        assert other is not None
        data |= {"other_role": other.role, "other_job": other.job_id, "slot": other.slot}
    elif reason is HoldReason.AWAITING_TURN:
        data["follows"] = job.follows
    elif reason is HoldReason.APPROVAL:
        data |= {"preview": job.preview, "preview_end": job.preview_end}
    elif reason is HoldReason.SCHEDULED:
        data |= {"until": job.start_at, "wait_s": max(0, ceil((job.start_at or at) - at))}
    elif reason is HoldReason.SLOT_DRAINED and situation.drained_until is not None:
        data |= {"until": situation.drained_until, "wait_s": max(0, ceil(situation.drained_until - at))}
    data["blockers"] = blockers_of(job, situation, reason, data, ahead)
    if reason is HoldReason.QUOTA_RUNNING:
        full = full_stage_of(job, situation)
        assert full is not None
        return Explanation(reason=reason, text=sentence_of(reason.value, full, used=full.used, limit=full.limit), data=data)
    if reason is HoldReason.AWAITING_CONSENT:
        return Explanation(reason=reason, text=sentence_at(reason.value, data["rung"]), data=data)
    code = code_of(job) if reason is HoldReason.APPROVAL else reason.value
    if reason is HoldReason.ROLE_UNAVAILABLE and (thing := dict(situation.missing).get(job.role)) is not None:
        return Explanation(reason=reason, text=sentence_of_file("asset_missing", thing, role=job.role), data=data)
    if reason is HoldReason.SLOT_DRAINED and "until" in data:
        code = "maintenance" if situation.maintained_slots == situation.slots else "maintenance_or_drained"
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


def _playing(slot: Slot, job: Job) -> Playing:
    return Playing(
        slot=slot.number, job_id=job.id, role=job.role, user=job.user, team=job.team, is_drained=slot.is_drained
    )


def drained_until(state: State) -> float | None:
    """When the first slot comes back, where all are drained and maintenance alone keeps one of them or more from work."""
    if not all(slot.is_drained for slot in state.slots):
        return None
    own = [slot.number for slot in state.slots if slot.drained_for == {CAUSE}]
    ends = [closes_at(state.policy.windows, number, state.now) for number in own]
    return min((end for end in ends if end is not None), default=None)
