"""Bugs planted in what jobs wait for their previews' approval for; `bugs.py` says how they are planted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scheduler.core import events
from scheduler.core.job import HoldReason, Job, JobState
from scheduler.core.state import State, Turn
from tests.property.core.bugs import Patch, bug, handle


@bug
def run_does_not_wait_for_its_preview(patch: Patch) -> None:
    hold_for = State.hold_for

    def broken(self: State, job: Job, at: float, otherwise: HoldReason, **options: Any) -> HoldReason:
        hold = hold_for(self, job, at, otherwise, **options)
        return otherwise if hold is HoldReason.APPROVAL else hold

    patch.setattr(State, "hold_for", broken)


@bug
def rejected_run_is_made_all_the_same(patch: Patch) -> None:
    def broken(state: State, event: events.PreviewJudged, turn: Turn) -> bool:
        return bool(judged(state, replace(event, is_approved=True), turn))

    judged = handle(patch, events.PreviewJudged, broken)


@bug
def preview_is_judged_before_it_is_there(patch: Patch) -> None:
    def broken(state: State, event: events.PreviewJudged, turn: Turn) -> bool:
        job = state.jobs.get(event.job_id)
        if job is not None and job.is_unapproved:
            job.preview_end = job.preview_end or str(JobState.SUCCEEDED)
        return bool(judged(state, event, turn))

    judged = handle(patch, events.PreviewJudged, broken)


@bug
def end_of_a_preview_is_told_to_nobody(patch: Patch) -> None:
    end = State._end

    def broken(self: State, turn: Turn, job: Job) -> None:
        self.previews.pop(job.id, None)
        end(self, turn, job)

    patch.setattr(State, "_end", broken)


@bug
def renewed_preview_is_not_waited_for(patch: Patch) -> None:
    def broken(state: State, event: events.PreviewRenewed, turn: Turn) -> bool:
        is_new = bool(renewed(state, event, turn))
        state.previews.pop(event.preview, None)
        return is_new

    renewed = handle(patch, events.PreviewRenewed, broken)


@bug
def restart_forgets_who_waits_for_a_preview(patch: Patch) -> None:
    restore = State.restore.__func__  # type: ignore[attr-defined]

    def broken(cls: type[State], *facts: Any, **more: Any) -> State:
        state: State = restore(cls, *facts, **more)
        state.previews.clear()
        return state

    patch.setattr(State, "restore", classmethod(broken))
