"""What people ask for. A wish that cannot be granted is refused with the job's story and changes nothing."""

from __future__ import annotations

from typing import Any

from scheduler.core import events
from scheduler.core.actions import SendCancel
from scheduler.core.admission import REJECTED, admit, is_asked
from scheduler.core.assignment import ask_to_stop
from scheduler.core.consent import answer
from scheduler.core.job import HoldReason, Job, JobState
from scheduler.core.state import State, Turn
from scheduler.core.tags import Tag


def submit(state: State, event: events.JobSubmitted, turn: Turn) -> bool:
    """Admit, hold or reject a checked request."""
    if event.job_id in state.jobs or event.job_id in state.ended_stories or event.ordinal <= state.last_ordinal:
        turn.refuse("duplicate_job", f"Job {event.job_id} was submitted before.", story=state.story(event.job_id))
        return False
    job = Job(
        id=event.job_id, ordinal=event.ordinal, user=event.user, team=event.team, role=event.role,
        priority=event.priority, submitted_at=turn.at, total_blocks=event.total_blocks,
        context_bytes=event.context_bytes, degrade=event.degrade, block_ms=event.block_ms, deadline=event.deadline,
        start_at=event.start_at, follows=event.follows, preview=event.preview,
    )  # fmt: skip
    decision = admit(state, job, event)
    body = {"decision": decision.to_mapping()}
    state.accept(job, event.slots_needed)
    if decision.verdict == REJECTED:
        error = {"error_code": decision.reason, "error_message": decision.text["en"]}
        state.move(turn, job, JobState.REJECTED, Tag.JOB_REJECTED, {"finished_at": turn.at, **error}, body)
        return False
    fields: dict[str, Any] = {"hold": HoldReason(decision.reason)}
    if decision.rung is not None:
        fields["context_bytes"] = decision.context_bytes
        fields |= {"offer": decision.rung, "offered_at": turn.at} if is_asked(decision) else {"rungs": decision.rung}
        body["needed_bytes"] = {"as_asked": event.context_bytes, "at_rung": decision.context_bytes}
    state.move(turn, job, JobState.QUEUED, Tag.JOB_QUEUED, fields, body)
    return job.id in state.line


def cancel(state: State, event: events.CancelRequested, turn: Turn) -> bool:
    """End a queued job at once, a running one at its next block boundary. Asking twice is no error."""
    job = _find(state, event.job_id, turn, "cancel")
    if job is None or job.is_cancel_requested:
        return False
    if job.state is JobState.QUEUED:
        fields: dict[str, Any] = {"is_cancel_requested": True, "hold": None, "finished_at": turn.at}
        state.move(turn, job, JobState.CANCELLED, Tag.JOB_CANCELLED, fields, {"blocks_done": job.blocks_done})
        return True  # an excluding role may have been kept waiting for its sake
    slot = state.slots[job.slot] if job.slot is not None else None
    assert slot is not None and slot.worker_id is not None and slot.lease_id is not None, job.id
    for held in state.slots_of(job):
        if held.stop_cause is None:
            held.stop_by = turn.at + state.policy.grace_s
        held.stop_cause = "cancelled"
    state.move(turn, job, job.state, Tag.JOB_CANCEL_REQUESTED, {"is_cancel_requested": True}, {"slot": slot.number})
    turn.effects.append(SendCancel(slot.number, slot.worker_id, slot.lease_id))
    return False


def pause(state: State, event: events.PauseRequested, turn: Turn) -> bool:
    """Keep a job from running until somebody resumes it; a running one stops at its next block boundary."""
    job = _find(state, event.job_id, turn, "pause")
    if job is None or job.is_paused:
        return False
    if job.is_cancel_requested:
        return _illegal(state, job, turn, "pause", "It is being cancelled.")
    if job.state is JobState.QUEUED:
        fields: dict[str, Any] = {"is_paused": True}
        if job.hold is not HoldReason.AWAITING_CONSENT:  # that question stays open
            fields["hold"] = HoldReason.PAUSED
        state.move(turn, job, JobState.QUEUED, Tag.JOB_PAUSED, fields)
        return True
    slot = state.slots[job.slot] if job.slot is not None else None
    assert slot is not None, job.id
    if job.state is JobState.PREEMPTING:  # it stops already
        state.move(turn, job, job.state, Tag.JOB_PAUSED, {"is_paused": True}, {"slot": slot.number})
    else:
        ask_to_stop(state, turn, slot, "paused", job, {}, Tag.JOB_PAUSED)
    return False


def resume(state: State, event: events.ResumeRequested, turn: Turn) -> bool:
    """Let a paused job go on."""
    job = _find(state, event.job_id, turn, "resume")
    if job is None:
        return False
    if not job.is_paused:
        return _illegal(state, job, turn, "resume", "It is not paused.")
    fields: dict[str, Any] = {"is_paused": False}
    if job.state is JobState.QUEUED and job.hold is not HoldReason.AWAITING_CONSENT:
        fields["hold"] = state.hold_for(job, turn.at, HoldReason.WAITING_FOR_SLOT, ended=HoldReason.PAUSED)
    state.move(turn, job, job.state, Tag.JOB_RESUMED, fields)
    return job.id in state.line


def reprioritise(state: State, event: events.PriorityChanged, turn: Turn) -> bool:
    """Give a job another priority; who runs is decided anew."""
    job = _find(state, event.job_id, turn, "reprioritise")
    if job is None or job.priority == event.priority:
        return False
    body = {"priority_before": job.priority, "priority_after": event.priority, "reason": event.reason}
    state.move(turn, job, job.state, Tag.JOB_REPRIORITISED, {"priority": event.priority}, body)
    return True


def consent(state: State, event: events.ConsentAnswered, turn: Turn) -> bool:
    """Let a job have the lower setting it was offered, or not."""
    job = _find(state, event.job_id, turn, "consent")
    return job is not None and answer(state, turn, job, is_agreed=event.is_agreed)


def pause_queue(state: State, event: events.QueuePaused, turn: Turn) -> bool:
    """Start nothing new."""
    if not state.is_queue_paused:
        state.is_queue_paused = True
        turn.record(Tag.QUEUE_PAUSED, "queue", {"reason": event.reason, "until": event.until})
    return False


def resume_queue(state: State, event: events.QueueResumed, turn: Turn) -> bool:
    """Start jobs again."""
    if not state.is_queue_paused:
        return False
    state.is_queue_paused = False
    turn.record(Tag.QUEUE_RESUMED, "queue")
    return True


def change_role(state: State, event: events.RoleChanged, turn: Turn) -> bool:
    """Hold back or let go the queued jobs of a role; running ones are not touched."""
    if state.relations.put(event.role, event.never_with):
        for slot in state.slots:
            slot.is_older_than_relations = slot.job_id is not None
    state.relations.share(event.role, event.share_with)
    if event.is_available:
        state.unavailable_roles.discard(event.role)
    else:
        state.unavailable_roles.add(event.role)
    state.missing.pop(event.role, None)
    if event.missing and not event.is_available:
        state.missing[event.role] = event.missing
    body: dict[str, Any] = {"is_available": event.is_available, "never_with": list(event.never_with)}
    if event.share_with:
        body["share_with"] = list(event.share_with)
    if event.missing:
        body["missing"] = event.missing
    turn.record(Tag.ROLE_CHANGED, f"role:{event.role}", body)
    for job in [job for job in state.jobs.values() if job.role == event.role and job.state is JobState.QUEUED]:
        if job.hold is HoldReason.AWAITING_CONSENT:
            continue
        is_held_by_role = job.hold is HoldReason.ROLE_UNAVAILABLE
        otherwise = HoldReason.WAITING_FOR_SLOT if is_held_by_role or job.hold is None else job.hold
        hold = state.hold_for(job, turn.at, otherwise)
        if hold is not job.hold:
            state.move(turn, job, JobState.QUEUED, Tag.JOB_QUEUED, {"hold": hold}, {"role": event.role})
    return True


def drain(state: State, event: events.SlotDrained, turn: Turn) -> bool:
    """Give a slot no new work (what runs there goes on), or give it work again."""
    if not 0 <= event.slot < len(state.slots):
        turn.refuse("unknown_slot", f"There is no slot {event.slot}.", f"Slots are 0 to {len(state.slots) - 1}.")
        return False
    slot = state.slots[event.slot]
    if ("person" in slot.drained_for) == event.is_drained:
        return False
    (slot.drained_for.add if event.is_drained else slot.drained_for.discard)("person")
    tag = Tag.SLOT_DRAINED if event.is_drained else Tag.SLOT_RETURNED
    turn.record(tag, f"slot:{slot.number}", {"job_id": slot.job_id})
    return True


def _find(state: State, job_id: str, turn: Turn, wish: str) -> Job | None:
    """The job, if it has not ended; otherwise the wish is refused."""
    job = state.jobs.get(job_id)
    if job is None:
        story = state.story(job_id)
        if story:
            ended_as = story[-1].rpartition(" → ")[2]
            turn.refuse("illegal_move", f"Cannot {wish} job {job_id}: it has ended as {ended_as}.", story=story)
        else:
            turn.refuse("unknown_job", f"There is no open job {job_id}.")
    return job


def _illegal(state: State, job: Job, turn: Turn, wish: str, reason: str) -> bool:
    turn.refuse("illegal_move", f"Cannot {wish} job {job.id}: {reason}", story=state.story(job.id))
    return False
