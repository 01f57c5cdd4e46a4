"""Answers to the question whether a job may have a lower setting: of a waiting job, or of one that goes on meanwhile."""

from __future__ import annotations

from typing import Any

from scheduler.core.degrade import can_change, change_running, go_down
from scheduler.core.healing_policy import Fault
from scheduler.core.heals import Heal
from scheduler.core.job import HoldReason, Job, JobState
from scheduler.core.state import State, Turn, consent_until
from scheduler.core.tags import Tag

_ASKING = (Fault.OUT_OF_MEMORY, Fault.STUTTER, Fault.MEMORY_HIGH)


def answer(state: State, turn: Turn, job: Job, *, is_agreed: bool) -> bool:
    """Let a job have the lower setting it was offered, end it (it cannot run otherwise), or let it go on as it is."""
    if job.hold is HoldReason.AWAITING_CONSENT:
        return _answer_waiting(state, turn, job, is_agreed=is_agreed)
    if not job.offer:
        turn.refuse("nothing_to_consent", f"Job {job.id} asks for no consent.", story=state.story(job.id))
        return False
    rung = next((rung for slot in state.slots if slot.job_id == job.id for rung in slot.ladder if rung.name == job.offer), None)
    heal = _asking(state, job)
    slot = None if job.slot is None else state.slots[job.slot]
    if is_agreed and rung is not None and slot is not None and heal is not None and can_change(slot, job):
        body = {"heal": heal.id, "cause": heal.fault.value, "rung": rung.name}
        change_running(state, turn, slot, job, "degraded", go_down(state, turn, heal, job, rung), body)
    elif is_agreed:  # it was stopped or helped meanwhile: nothing has to change any more
        state.move(turn, job, job.state, Tag.JOB_CONSENTED, {"offer": ""}, {"rung": job.offer, "outcome": "not_needed"})
    else:  # no is no: it is not asked again
        body = {"rung": job.offer, "outcome": "no"}
        state.move(turn, job, job.state, Tag.JOB_CONSENTED, {"offer": "", "degrade": "never"}, body)
    return False


def withdraw_old(state: State, turn: Turn) -> None:
    """A question to a running job that nobody answered in time is taken back; the job goes on as it is."""
    for slot in state.slots:
        job = state.jobs.get(slot.job_id or "")
        if job is not None and job.offer and turn.at >= consent_until(job, state.policy):
            body = {"rung": job.offer, "outcome": "timed_out"}
            state.move(turn, job, job.state, Tag.JOB_CONSENTED, {"offer": "", "degrade": "never"}, body)


def _answer_waiting(state: State, turn: Turn, job: Job, *, is_agreed: bool) -> bool:
    if not is_agreed:
        fields: dict[str, Any] = {"hold": None, "finished_at": turn.at}
        state.move(turn, job, JobState.CANCELLED, Tag.JOB_CANCELLED, fields, {"cause": "consent_refused"})
        return False
    rung, heal = job.offer, _asking(state, job)
    hold = state.hold_for(job, turn.at, HoldReason.WAITING_FOR_SLOT)
    fields = {"hold": hold, "rungs": rung, "offer": ""}
    state.move(turn, job, JobState.QUEUED, Tag.JOB_CONSENTED, fields, {"rung": rung})
    if heal is not None and heal.fault is Fault.OUT_OF_MEMORY:
        state.heals.act(turn, heal, rung, {"job_id": job.id, "from": "consent"})
    return job.id in state.line


def _asking(state: State, job: Job) -> Heal | None:
    """The open heal for whose sake the job is asked."""
    return next((heal for heal in state.heals.of(*_ASKING) if heal.job_id in (job.id, None)), None)
