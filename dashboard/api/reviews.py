"""Notes on a job's video and the verdict on it. Whoever may not watch the video reads no word of them."""

from __future__ import annotations

from typing import Any, Literal

from flask import Blueprint, Response, jsonify
from pydantic import Field

from dashboard.api.body import Body, read_body
from dashboard.api.jobs import found_job
from dashboard.api.openapi import documented
from dashboard.auth import caller, demand, require
from dashboard.context import house
from dashboard.door import door
from dashboard.errors import WebError
from dashboard.reviews import note_shown, notes_of, verdict_of

blueprint = Blueprint("reviews", __name__)


class WriteNote(Body):
    """A note on a video, or an answer to one."""

    text: str = Field(min_length=1, max_length=1000, description="plain text, 1 to 1000 characters")
    video_s: float | None = Field(
        default=None, ge=0, le=1e6, allow_inf_nan=False, description="the moment, in seconds of the video; without it all of it"
    )
    answers: int | None = Field(default=None, ge=1, le=10**15, description="number of the note that this one answers")


class ChangeNote(Body):
    """What becomes of a note: `resolve`, `reopen`, or `retract`, which only its author may and which takes its words away."""

    deed: Literal["resolve", "reopen", "retract"]


class Judge(Body):
    """A verdict on a finished video."""

    verdict: Literal["approved", "rejected"]
    reason: str = Field(default="", max_length=500, description="why; a rejection needs one")
    before: int = Field(default=0, ge=0, le=10**9, description="number of the verdict that you saw; 0 for none")


def watchable_job(job_id: str) -> dict[str, Any]:
    """The job's row, if the caller may watch its video. Raises WebError 403 or 404."""
    job = found_job(job_id)
    if not caller().may_read_words(job):
        raise WebError(403, "no_right", "This video is somebody else's.", hint="rights.yaml: see_words")
    return job


@blueprint.get("/jobs/<job_id>/notes")
@documented("reviews")
@require("see")
def notes(job_id: str) -> Response:
    """Notes on the job's video in the order of the video, each with its answers and what you may do to it, and the verdict."""
    job, reads = watchable_job(job_id), house().reads
    return jsonify({"notes": notes_of(reads, job, caller()), "verdict": verdict_of(reads, job, caller())})


@blueprint.post("/jobs/<job_id>/notes")
@documented("reviews", body=WriteNote, status=201)
@require("see", "comment")
def write(job_id: str) -> tuple[Response, int]:
    """Say something about a moment of the video, finished or growing; a moment beyond its end is refused."""
    wish, job = read_body(WriteNote), watchable_job(job_id)
    return jsonify(door().write_note(job["id"], wish.text, wish.video_s, wish.answers)), 201


@blueprint.post("/jobs/<job_id>/notes/<int:number>")
@documented("reviews", body=ChangeNote)
@require("see", "comment")
def change(job_id: str, number: int) -> Response:
    """Resolve a note or open it again (its author, the job's owner, who may judge), or retract one's own."""
    wish, job = read_body(ChangeNote), watchable_job(job_id)
    note = house().reads.store.note(number) if number < 1 << 60 else None
    if note is not None and note["job_id"] == job["id"] and note["state"] != "retracted":
        may = note_shown(note, job, caller())["may"]
        if not may and note["answers"] is None:
            raise WebError(403, "no_right", f"Note {number} is somebody else's.", hint="Its author and those who judge may.")
    return jsonify(door().change_note(job["id"], number, wish.deed))


@blueprint.post("/jobs/<job_id>/verdict")
@documented("reviews", body=Judge)
@require("see")
def judge(job_id: str) -> Response:
    """Approve or reject the finished video, and with it the jobs that wait for this preview (`waiting`: what becomes of them).

    Of two who judge at once the second gets 409 and looks again. A job that waits for its preview may be named itself; where that
    one failed or was cancelled, approving lets the job go on without a preview.
    """
    wish, job = read_body(Judge), found_job(job_id)
    if not caller().may_judge(job):
        demand("see_words" if not caller().may_read_words(job) else "judge_own" if caller().owns(job) else "judge")
    return jsonify(door().judge(job["id"], wish.verdict, wish.reason, wish.before))
