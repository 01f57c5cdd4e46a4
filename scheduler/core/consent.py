"""Answers to the question whether a job may have a lower setting: of a waiting job, or of one that goes on meanwhile."""

from __future__ import annotations

from typing import Any

from scheduler.core.degrade import can_change, change_running, go_down
from scheduler.core.job import HoldReason, Job, JobState
from scheduler.core.ladder import Rung
from scheduler.core.state import State, Turn, consent_until
from scheduler.core.tags import Tag


def answer(state: State, turn: Turn, job: Job, *, is_agreed: bool) -> bool:
    """Let a job have the lower setting it was offered, end it (it cannot run otherwise), or let it go on as it is."""
    if job.hold is HoldReason.AWAITING_CONSENT:
        return _answer_waiting(state, turn, job, is_agreed=is_agreed)
    if not job.offer:
        turn.refuse("nothing_to_consent", f"Job {job.id} asks for no consent.", story=state.story(job.id))
        return False
    heal = state.heals.asking(job.id)
    slot = None if job.slot is None else state.slots[job.slot]
    is_on_its_way = slot is not None and not slot.is_started  # its worker was sent the setting of before
    if is_agreed and heal is not None and not is_on_its_way and not job.is_cancel_requested:
        rung = Rung(name=job.offer, predicted_bytes=heal.asked[job.id])
        body = {"heal": heal.id, "cause": heal.fault.value, "rung": rung.name}
        fields = go_down(state, turn, heal, job, rung)
        if slot is not None and can_change(slot, job):
            change_running(state, turn, slot, job, "degraded", fields, body)
        else:  # it gives way, or waits: the setting is for when it goes on
            state.move(turn, job, job.state, Tag.JOB_DEGRADED, fields, {"from_block": job.blocks_done, **body})
    elif is_agreed:  # it was helped meanwhile, or ends: nothing has to change any more
        state.move(turn, job, job.state, Tag.JOB_CONSENTED, {"offer": ""}, {"rung": job.offer, "outcome": "not_needed"})
    else:  # no is no: it is not asked again
        body = {"rung": job.offer, "outcome": "no"}
        state.move(turn, job, job.state, Tag.JOB_CONSENTED, {"offer": "", "degrade": "never"}, body)
    return False


def withdraw_old(state: State, turn: Turn) -> None:
    """A question to a running job is taken back once its cause is gone; or nobody answered in time, which means no."""
    for slot in state.slots:
        job = state.jobs.get(slot.job_id or "") if slot.lead is None else None
        if job is None or not job.offer:
            continue
        body = {"rung": job.offer}
        if state.heals.asking(job.id) is None:
            state.move(turn, job, job.state, Tag.JOB_CONSENTED, {"offer": ""}, {**body, "outcome": "not_needed"})
        elif turn.at >= consent_until(job, state.policy):
            fields = {"offer": "", "degrade": "never"}
            state.move(turn, job, job.state, Tag.JOB_CONSENTED, fields, {**body, "outcome": "timed_out"})


def _answer_waiting(state: State, turn: Turn, job: Job, *, is_agreed: bool) -> bool:
    if not is_agreed:
        fields: dict[str, Any] = {"hold": None, "finished_at": turn.at}
        state.move(turn, job, JobState.CANCELLED, Tag.JOB_CANCELLED, fields, {"cause": "consent_refused"})
        return False
    offered, heal = job.offer, state.heals.asking(job.id)
    fields = {"rungs": offered, "offer": ""}  # admission's question has no heal; its bytes are counted already
    body: dict[str, Any] = {"rung": offered}
    if heal is not None:
        fields = go_down(state, turn, heal, job, Rung(name=offered, predicted_bytes=heal.asked[job.id]))
        body |= {"heal": heal.id, "cause": heal.fault.value, "from_block": job.blocks_done}
    fields["hold"] = state.hold_for(job, turn.at, HoldReason.WAITING_FOR_SLOT)
    state.move(turn, job, JobState.QUEUED, Tag.JOB_CONSENTED, fields, body)
    return job.id in state.line
