"""What workers say about jobs. A report must prove its lease; one that cannot is recorded as refused, nothing else.

A lease holds until its slot is free, also after the worker's kill was ordered: what is durable by then counts.
"""

from __future__ import annotations

from typing import Any

from scheduler.core import events
from scheduler.core.actions import ExpectRole
from scheduler.core.assignment import hand_over
from scheduler.core.degrade import STOPS, keep_deadline, memory_failed, rerun_here
from scheduler.core.fleet import Slot
from scheduler.core.job import HoldReason, Job, JobState
from scheduler.core.recovery import recover
from scheduler.core.state import State, Turn
from scheduler.core.stutter import watch_block
from scheduler.core.tags import Tag

READY_BEFORE = 2  # blocks before its end at which the next part's role is asked for
MEMORY_CODES = frozenset({"out_of_memory", "vault_full"})


def job_started(state: State, event: events.JobWasStarted, turn: Turn) -> bool:
    """The worker has begun; a job that is to stop already stays PREEMPTING."""
    slot, job = _holder(state, event, turn)
    if slot is None or job is None:
        return False
    _renew(state, slot, turn.at)
    if slot.is_started:
        return False
    slot.block_since, slot.block_s = turn.at, job.block_ms / 1000.0
    slot.is_started, slot.ladder = True, () if job.id in state.gangs else event.ladder  # what a gang could give up is not known
    fields: dict[str, Any] = {"lease_until": slot.lease_until, "resume": event.resume}
    if job.started_at is None:
        fields["started_at"] = turn.at
    target = JobState.RUNNING if job.state is JobState.LEASED else job.state
    body: dict[str, Any] = {"slot": slot.number, "lease_id": slot.lease_id, "resume": event.resume, "from_block": job.blocks_done}
    if event.prepare_ms:
        body |= {"prepare_ms": round(event.prepare_ms, 1), "context_ms": round(event.context_ms, 1)}
    state.move(turn, job, target, Tag.JOB_STARTED, fields, body)
    if job.total_blocks - job.blocks_done <= READY_BEFORE:
        _expect_next_part(state, turn, slot, job)
    return False


def block_done(state: State, event: events.BlockWasDone, turn: Turn) -> bool:
    """Count the next block. One counted before only renews the lease; one out of order is refused."""
    slot, job = _holder(state, event, turn)
    if slot is None or job is None:
        return False
    if event.block != job.blocks_done:
        if 0 <= event.block < job.blocks_done:
            _renew(state, slot, turn.at)
            return False
        expected = job.blocks_done if job.blocks_done < job.total_blocks else None
        return _refused(turn, event, f"job:{job.id}", "out_of_order", {"block": event.block, "expected": expected})
    if job.blocks_done >= job.total_blocks:
        return _refused(turn, event, f"job:{job.id}", "out_of_order", {"block": event.block, "expected": None})
    _renew(state, slot, turn.at)
    slot.leased_blocks += 1
    slot.block_s += (turn.at - slot.block_since - slot.block_s) / (slot.leased_blocks + 1)  # the mean, the prediction included
    slot.block_since = turn.at
    slot.strikes = 0
    for other in state.slots_of(job)[1:] if job.id in state.gangs else ():
        other.strikes = 0
    fields: dict[str, Any] = {"blocks_done": job.blocks_done + 1, "lease_until": slot.lease_until}
    if job.crashes:
        fields["crashes"] = 0
    if job.retries:
        fields["retries"] = 0
    state.progress(turn, job, Tag.BLOCK_FINISHED, fields, {"block": event.block, "slot": slot.number})
    if event.memory is not None and (learnt := state.memory.measure(event.memory, job.id, turn.at)) is not None:
        turn.record(Tag.MEMORY_MEASURED, f"job:{job.id}", learnt)
    watch_block(state, turn, slot, job, event.seconds, event.planned_s)
    keep_deadline(state, turn, slot, job)
    if job.total_blocks - job.blocks_done == READY_BEFORE:
        _expect_next_part(state, turn, slot, job)
    return slot.leased_blocks == state.policy.min_run_blocks  # only then may it be asked to give way


def _expect_next_part(state: State, turn: Turn, slot: Slot, job: Job) -> None:
    """The part that follows is to find its role ready: what a role costs to prepare would else be a gap between the two."""
    follower = state.jobs.get(state.followers.get(job.id, ""))
    if follower is not None and slot.worker_id is not None and not state.is_imagined:
        turn.effects.append(ExpectRole(slot.worker_id, follower.id))


def work_seen(state: State, event: events.WorkWasSeen, turn: Turn) -> bool:
    """A block may take longer than a lease; who gets on with it keeps the lease, for as long as a step may take.

    It comes from heartbeats: one that is late, of a lease that has ended, is no report and nothing is refused.
    """
    if (slot := state.leases.get(event.lease_id)) is not None:
        slot.lease_until = max(slot.lease_until, turn.at + max(state.policy.lease_s, event.allowed_s))
    return False


def job_preempted(state: State, event: events.JobWasPreempted, turn: Turn) -> bool:
    """The job stopped at a block boundary and goes back to the line (or ends, if it was cancelled meanwhile)."""
    return _stopped(state, event, turn)


def job_cancelled(state: State, event: events.JobWasCancelled, turn: Turn) -> bool:
    """The job stopped because it was told to cancel."""
    return _stopped(state, event, turn)


def job_succeeded(state: State, event: events.JobHasSucceeded, turn: Turn) -> bool:
    """The finished video was checked: the job ends. Refused while blocks are missing."""
    slot, job = _holder(state, event, turn)
    if slot is None or job is None:
        return False
    if job.blocks_done != job.total_blocks or job.state is JobState.LEASED:
        terms = {"blocks_done": job.blocks_done, "total_blocks": job.total_blocks, "state": job.state}
        return _refused(turn, event, f"job:{job.id}", "too_early", terms)
    follower = state.followers.get(job.id)
    state.free(turn, slot, JobState.SUCCEEDED, Tag.JOB_SUCCEEDED, {"finished_at": turn.at}, {})
    if follower is not None:
        hand_over(state, turn, slot, state.jobs[follower])
    return True


def job_failed(state: State, event: events.JobHasFailed, turn: Turn) -> bool:
    """The worker gave up: try again after a back-off where that can help and was not tried too often, else end."""
    slot, job = _holder(state, event, turn)
    if slot is None or job is None:
        return False
    policy = state.policy
    body: dict[str, Any] = {"code": event.code, "can_retry": event.can_retry, "retries": job.retries}
    if job.is_cancel_requested:
        state.free(turn, slot, JobState.CANCELLED, Tag.JOB_CANCELLED, {"finished_at": turn.at}, body)
    elif event.code in MEMORY_CODES and job.id not in state.gangs and _is_eased(state, turn, slot, job, event):
        return True
    elif event.can_retry and job.retries < policy.max_retries:
        wait_s = min(policy.retry_backoff_s * 2.0**job.retries, policy.retry_backoff_max_s)
        body |= {"wait_s": wait_s, "max_retries": policy.max_retries}
        not_before = turn.at + wait_s
        hold = HoldReason.RETRYING if not_before > turn.at else HoldReason.WAITING_FOR_SLOT
        hold = state.hold_for(job, turn.at, hold)
        fields = {"hold": hold, "retries": job.retries + 1, "not_before": not_before}
        state.free(turn, slot, JobState.QUEUED, Tag.JOB_RETRIED, fields, body)
    else:
        fields = {"finished_at": turn.at, "error_code": event.code}
        state.free(turn, slot, JobState.FAILED, Tag.JOB_FAILED, fields, body)
    return True


def _is_eased(state: State, turn: Turn, slot: Slot, job: Job, event: events.JobHasFailed) -> bool:
    slot.ladder = event.ladder or slot.ladder
    return memory_failed(state, turn, slot, job, event.code)


def _stopped(state: State, event: events.JobWasPreempted | events.JobWasCancelled, turn: Turn) -> bool:
    slot, job = _holder(state, event, turn)
    if slot is None or job is None:
        return False
    if job.is_cancel_requested:
        state.free(turn, slot, JobState.CANCELLED, Tag.JOB_CANCELLED, {"finished_at": turn.at}, {})
    elif slot.stop_cause is None:
        recover(state, turn, slot, cause="unasked_stop", is_crash=True)  # nobody asked: it may not go on for ever
    else:
        hold = state.hold_for(job, turn.at, HoldReason.PREEMPTED)
        cause = slot.stop_cause
        body = {"cause": cause, "reported_blocks_done": event.blocks_done}
        state.free(turn, slot, JobState.QUEUED, Tag.JOB_PREEMPTED, {"hold": hold}, body)
        if cause in STOPS:
            rerun_here(state, turn, slot, job, is_spared=cause == "eased")
    return True


def _holder(state: State, event: Any, turn: Turn) -> tuple[Slot | None, Job | None]:
    """The slot and job of the report's lease; a lease that is not held now is refused (fencing)."""
    slot = state.leases.get(event.lease_id)
    if slot is None or slot.job_id is None:
        _refused(turn, event, f"job:{event.lease_id.rpartition('-')[0]}", "old_lease", {})
        return None, None
    return slot, state.jobs[slot.job_id]


def _refused(turn: Turn, event: Any, subject: str, reason: str, terms: dict[str, Any]) -> bool:
    body = {"report": type(event).__name__, "lease_id": event.lease_id, "reason": reason, **terms}
    turn.record(Tag.REPORT_REFUSED, subject, body, outcome="refused")
    return False


def _renew(state: State, slot: Slot, at: float) -> None:
    slot.lease_until = at + state.policy.lease_s
