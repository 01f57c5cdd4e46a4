"""What time and a restart do: leases, graces, back-offs and questions run out; what a worker held is queued again."""

from __future__ import annotations

from heapq import heappop
from typing import Any

from scheduler.core import events
from scheduler.core.assignment import ask_to_stop
from scheduler.core.consent import withdraw_old
from scheduler.core.degrade import climb
from scheduler.core.fleet import Slot, WorkerState
from scheduler.core.gangs import order_kill
from scheduler.core.healing import forget_gone
from scheduler.core.job import OWNED_STATES, HoldReason, Job, JobState
from scheduler.core.maintenance import CAUSE, closes_at
from scheduler.core.state import State, Turn, consent_until
from scheduler.core.tags import Tag


def pass_time(state: State, event: events.TimePassed, turn: Turn) -> bool:
    """Order the kill of workers that do not answer, once; end back-offs, quarantines and unanswered questions."""
    is_changed = _keep_windows(state, turn)
    for slot in state.slots:
        if slot.worker is WorkerState.BUSY and slot.lead is None:
            is_changed |= _is_kill_ordered(state, slot, turn)  # whoever counted on that slot may need another
        elif slot.worker is WorkerState.QUARANTINED and turn.at >= slot.quarantined_until:
            slot.strikes = 0
            slot.move(WorkerState.READY if slot.worker_id is not None else WorkerState.STOPPED)
            turn.record(Tag.WORKER_RELEASED, f"slot:{slot.number}", {"worker_id": slot.worker_id})
            is_changed = True
    while state.alarms and state.alarms[0][0] <= turn.at:
        job = state.jobs.get(heappop(state.alarms)[2])
        if job is not None and job.state is JobState.QUEUED:
            is_changed |= _ring(state, turn, job)
    withdraw_old(state, turn)
    climb(state, turn)
    return is_changed


def _keep_windows(state: State, turn: Turn) -> bool:
    """Open and close maintenance windows; what runs in one stops at its block boundary and goes on elsewhere or afterwards."""
    is_changed = False
    for slot in state.slots:
        until = closes_at(state.policy.windows, slot.number, turn.at)
        if (until is not None) == (CAUSE in slot.drained_for):
            continue
        is_changed = True
        if until is None:
            slot.drained_for.discard(CAUSE)
            turn.record(Tag.SLOT_RETURNED, f"slot:{slot.number}", {"cause": CAUSE})
            continue
        slot.drained_for.add(CAUSE)
        turn.record(Tag.SLOT_DRAINED, f"slot:{slot.number}", {"cause": CAUSE, "until": until, "job_id": slot.job_id})
        if slot.worker is WorkerState.BUSY and slot.stop_cause is None and slot.job_id is not None:
            ask_to_stop(state, turn, slot, CAUSE, state.jobs[slot.job_id], {"until": until})
    return is_changed


def boot(state: State, event: events.Booted, turn: Turn) -> bool:
    """Queue again, as `recovering`, what a worker held before the restart; bring the holds up to date."""
    turn.record(Tag.DAEMON_BOOTED, "queue", {"open_jobs": len(state.jobs), "slots": len(state.slots)})
    state.is_booted = True
    forget_gone(state, turn)
    held_until = [job.lease_until for job in state.jobs.values() if job.state in OWNED_STATES]
    state.shares.count({}, min(turn.at, max(held_until, default=turn.at)), state.policy.fair_share_half_life_s)
    for job in list(state.jobs.values()):
        if job.state in OWNED_STATES and job.lease_id not in state.leases:
            _recover_orphan(state, turn, job)
        elif job.state is JobState.QUEUED and job.hold is not HoldReason.AWAITING_CONSENT:
            own = state.hold_for(job, turn.at, HoldReason.WAITING_FOR_SLOT)
            if own is not job.hold and (own is not HoldReason.WAITING_FOR_SLOT or job.id in state.held):
                state.move(turn, job, JobState.QUEUED, Tag.JOB_QUEUED, {"hold": own}, {"cause": "booted"})
    return True


def _is_kill_ordered(state: State, slot: Slot, turn: Turn) -> bool:
    """Order the kill of a worker whose lease or grace ran out."""
    if slot.stop_cause is not None and turn.at >= slot.stop_by:
        cause = "grace_over"
    elif turn.at >= slot.lease_until:
        cause = "lease_expired"
    else:
        return False
    order_kill(state, turn, slot, cause)
    return True


def _ring(state: State, turn: Turn, job: Job) -> bool:
    """A back-off or a question of a queued job may have run out; an alarm that means nothing any more does nothing."""
    if job.hold is HoldReason.RETRYING and job.not_before <= turn.at:
        hold = state.hold_for(job, turn.at, HoldReason.WAITING_FOR_SLOT)
        state.move(turn, job, JobState.QUEUED, Tag.JOB_QUEUED, {"hold": hold}, {"cause": "backoff_over"})
        return True
    if job.hold is HoldReason.SCHEDULED and job.start_at is not None and job.start_at <= turn.at:
        hold = state.hold_for(job, turn.at, HoldReason.WAITING_FOR_SLOT)
        state.move(turn, job, JobState.QUEUED, Tag.JOB_QUEUED, {"hold": hold}, {"cause": "reserved_time"})
        return True
    if job.hold is HoldReason.AWAITING_CONSENT and turn.at >= consent_until(job, state.policy):
        error = {"error_code": "consent_timed_out", "error_message": f"Nobody agreed to {job.offer} in time.",
                 "error_hint": "Submit it again and answer sooner, or allow lower settings."}  # fmt: skip
        fields: dict[str, Any] = {"hold": None, "finished_at": turn.at, **error}
        state.move(turn, job, JobState.CANCELLED, Tag.JOB_CANCELLED, fields, {"cause": "consent_timed_out"})
    return False


def _recover_orphan(state: State, turn: Turn, job: Job) -> None:
    fields: dict[str, Any] = {"slot": None, "lease_id": None, "lease_until": 0.0}
    body = {"cause": "booted", "lease_id": job.lease_id, "blocks_done": job.blocks_done}
    until = min(turn.at, job.lease_until)
    state.settle(job, until - job.leased_at, turn.at)
    if job.is_cancel_requested:
        state.move(turn, job, JobState.CANCELLED, Tag.JOB_CANCELLED, {**fields, "finished_at": turn.at}, body)
        return
    fields["hold"] = state.hold_for(job, turn.at, HoldReason.RECOVERING)
    state.move(turn, job, JobState.QUEUED, Tag.JOB_RECOVERED, fields, body)
