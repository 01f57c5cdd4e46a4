"""Sessions: a relay of roles submitted as one, its parts, and the video of all of them."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify
from pydantic import Field

from dashboard.api.body import Body, Query, idempotency_key, read_body, read_query
from dashboard.api.jobs import found_job
from dashboard.api.models import AnyObject, SubmitJob
from dashboard.api.openapi import documented
from dashboard.api.video import in_a_seat, whole_video
from dashboard.auth import caller, demand, require
from dashboard.context import house
from dashboard.door import door
from dashboard.errors import WebError
from dashboard.refusals import told_remarks
from dashboard.sessions import session_of

blueprint = Blueprint("sessions", __name__)


class SubmitSession(Body):
    """Parts in order; each begins where the one before it ends, and all become one video."""

    parts: list[SubmitJob] = Field(
        examples=[[{"role": "teacher", "duration_sec": 15}, {"role": "assistant", "duration_sec": 8}]]
    )


class SessionVideoQuery(Query):
    """How the video is given."""

    download: str | None = Field(default=None, description="anything: as a file to keep")


@blueprint.post("/sessions")
@documented("jobs", body=SubmitSession, gives=AnyObject, status=202)
@require("submit")
def submit() -> tuple[Response, int]:
    """Submit a session of 2 to 50 parts, all of them or none. `id` is its first part's; `parts` are answers as of `POST /jobs`.
    `Idempotency-Key` makes it safe to send again."""
    wish, key = read_body(SubmitSession), idempotency_key()
    parts = [{**part.model_dump(exclude_none=True), "user": part.user or caller().name} for part in wish.parts]
    if any(part["user"] != caller().name for part in parts):
        demand("submit_for_others")
    answer = door().submit_session(parts, idempotency_key=key)
    for part in answer["parts"]:
        part["warnings"] = told_remarks(part["warnings"], part["remarks"])
    return jsonify(answer), 202


def found_session(job_id: str) -> dict[str, Any]:
    """The session that the job is a part of. Raises WebError 404."""
    job = found_job(job_id)
    session = session_of(house().reads, job)
    if session is None:
        raise WebError(404, "no_session", f"{job['id']} is no part of a session.", field="id", hint="POST /sessions makes one.")
    return session


@blueprint.get("/jobs/<job_id>/session")
@documented("jobs")
@require("see")
def session(job_id: str) -> Response:
    """The session that the job is a part of: `parts` in order, `state` (open, broken, joining, joined, unjoined or off), and
    `video` when the parts have become one."""
    return jsonify(found_session(job_id))


@blueprint.get("/jobs/<job_id>/session/video")
@documented("jobs", query=SessionVideoQuery)
@require("see")
def video(job_id: str) -> Response:
    """The one video of a session, by any of its parts: mp4, with ranges and ETag."""
    query, found = read_query(SessionVideoQuery), found_session(job_id)
    for part in found["parts"]:
        if not caller().may_read_words(part):
            raise WebError(403, "no_right", "A part of this session is somebody else's.", hint="rights.yaml: see_words")
    kept = house().reads.store.joined(found["parts"][-1]["id"])
    if found["video"] is None or kept is None:
        raise WebError(
            404, "no_session_video", f"The parts of this session are not one video ({found['state']}).",
            hint="GET /jobs/{id}/session says how far it is; each part's own video is at /jobs/{id}/video.",
        )  # fmt: skip
    path = house().settings.data_dir / kept["path"]
    if not path.is_file():
        raise WebError(
            404, "no_session_video", "The video of this session is not there any more.", problem="gone",
            hint="Each part's own video is at /jobs/{id}/video.",
        )  # fmt: skip
    name, sha256, is_download = f"session-{found['id']}.mp4", kept["sha256"], query.download is not None
    return in_a_seat(lambda: whole_video(path, name, sha256, is_download=is_download))
