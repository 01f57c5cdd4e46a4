"""Expensive runs that wait for a word on their preview: approved they stand in line, rejected they end.

A run is held as `approval` from its submission. When its preview ends, the run's row says how (`preview_end`); nobody can judge
before. A preview that failed or was cancelled leaves the run held: it is made once more, as another job; or whoever may judge
lets the run go on without one; or the run is cancelled.

The run counts as waiting for a slot only from `approved_at` on, in what is promised of waits; its rank ages as always.
"""

from __future__ import annotations

from typing import Any

from scheduler.core import events
from scheduler.core.job import HoldReason, Job, JobState
from scheduler.core.state import State, Turn
from scheduler.core.tags import Tag

REJECTED = "preview_rejected"  # why a run was cancelled


def judge(state: State, event: events.PreviewJudged, turn: Turn) -> bool:
    """Let a run that waits for approval into the line, or end it."""
    job = state.jobs.get(event.job_id)
    if job is None or not job.is_unapproved:
        text = f"Job {event.job_id} waits for no approval."
        turn.refuse("nothing_to_approve", text, story=state.story(event.job_id))
        return False
    if not job.preview_end:
        text = f"Job {job.id} cannot be judged yet: its preview {job.preview} is still being made."
        turn.refuse("preview_not_ready", text, "Wait until the preview is done, or cancel it.", state.story(job.id))
        return False
    body: dict[str, Any] = {
        "preview": job.preview, "preview_end": job.preview_end, "waited_s": round(turn.at - job.submitted_at, 3),
    }  # fmt: skip
    if not event.is_approved:
        error = {"error_code": REJECTED, "error_message": f"Its preview {job.preview} was rejected.",
                 "error_hint": "The verdict on the preview says why; submit a new video."}  # fmt: skip
        fields: dict[str, Any] = {"hold": None, "finished_at": turn.at, **error}
        state.move(turn, job, JobState.CANCELLED, Tag.JOB_CANCELLED, fields, {"cause": REJECTED, **body})
        return False
    fields = {"approved_at": turn.at}
    if job.hold is not HoldReason.AWAITING_CONSENT:  # that question stays open
        fields["hold"] = state.hold_for(job, turn.at, HoldReason.WAITING_FOR_SLOT, ended=HoldReason.APPROVAL)
    state.move(turn, job, JobState.QUEUED, Tag.JOB_APPROVED, fields, body)
    return job.id in state.line


def renew(state: State, event: events.PreviewRenewed, turn: Turn) -> bool:
    """Let a run whose preview came to nothing wait for another one."""
    job = state.jobs.get(event.job_id)
    if job is None or not job.is_unapproved:
        text = f"Job {event.job_id} waits for no approval."
        turn.refuse("nothing_to_approve", text, story=state.story(event.job_id))
        return False
    if job.preview_end in ("", JobState.SUCCEEDED):
        how = "is there to be judged" if job.preview_end else "is still being made"
        text = f"Job {job.id} needs no other preview: {job.preview} {how}."
        turn.refuse("preview_stands", text, "Approve or reject it once it is done.", state.story(job.id))
        return False
    assert event.preview in state.jobs, "a preview is submitted before it is named: whoever waits must hear how it ends"
    body = {"preview": event.preview, "instead_of": job.preview}
    state.move(turn, job, JobState.QUEUED, Tag.PREVIEW_RENEWED, {"preview": event.preview, "preview_end": ""}, body)
    state.previews.setdefault(event.preview, []).append(job.id)
    return False


def code_of(job: Job) -> str:
    """The sentence that says what the run waits for."""
    if job.preview_end == JobState.SUCCEEDED:
        return "approval_ready"
    if job.preview_end == JobState.CANCELLED:
        return "approval_cancelled"
    return "approval_failed" if job.preview_end else "approval"
