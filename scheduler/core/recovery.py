"""A job whose worker is gone goes back to the line with all its finished blocks, unless it keeps killing workers."""

from __future__ import annotations

from typing import Any

from scheduler.core.fleet import Slot
from scheduler.core.healing_policy import Fault
from scheduler.core.job import HoldReason, JobState
from scheduler.core.state import State, Turn
from scheduler.core.tags import Tag


def recover(state: State, turn: Turn, slot: Slot, *, cause: str, is_crash: bool) -> None:
    """Queue the slot's job again as `recovering`; end it where it was cancelled, or has lost too many workers in a row.

    `is_crash`: the worker died with the job (not stopped by the daemon). A new block sets the count back to zero.
    """
    assert slot.job_id is not None
    job = state.jobs[slot.job_id]
    crashes = job.crashes + is_crash
    body: dict[str, Any] = {"cause": cause, "crashes": crashes, "max_crashes": state.policy.max_crashes}
    if job.is_cancel_requested:
        state.free(turn, slot, JobState.CANCELLED, Tag.JOB_CANCELLED, {"finished_at": turn.at}, body)
    elif crashes >= state.policy.max_crashes:
        slot.strikes = 0  # the job is to blame, not the slot
        fields: dict[str, Any] = {
            "crashes": crashes, "finished_at": turn.at, "error_code": "poison_job",
            "error_message": f"Workers lost in a row at block {job.blocks_done} of this job: {crashes}.",
            "error_hint": "Look at the story for the causes; submit it again once they are mended.",
        }  # fmt: skip
        body["story"] = list(state.story(job.id))
        rule = state.healing[Fault.POISON_JOB]
        numbers = {"crashes": crashes, "block": job.blocks_done, "cause": cause, "slot": slot.number}
        heal = state.heals.detect(turn, Fault.POISON_JOB, f"job:{job.id}", rule, job_id=job.id, numbers=numbers)
        state.heals.act(turn, heal, rule.action)
        state.heals.recover(turn, heal)
        state.free(turn, slot, JobState.FAILED, Tag.JOB_FAILED, fields, body)
    else:
        hold = state.hold_for(job, turn.at, HoldReason.RECOVERING)
        state.free(turn, slot, JobState.QUEUED, Tag.JOB_RECOVERED, {"hold": hold, "crashes": crashes}, body)
