"""The same wish about several jobs. The server looks at each of them itself, and says first what it would do."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from dashboard import i18n
from dashboard.api.body import read_body
from dashboard.api.jobs import found_job
from dashboard.api.models import BulkJobs
from dashboard.api.openapi import documented
from dashboard.auth import caller, require
from dashboard.door import door
from dashboard.refusals import told
from scheduler.client import SchedulerError
from scheduler.core.job import FINAL_STATES, JobState

blueprint = Blueprint("bulk", __name__)


@blueprint.post("/jobs/bulk")
@documented("jobs", body=BulkJobs)
@require("see")
def bulk() -> Response:
    """Cancel, or make again, the named jobs. Without `is_sure` only the list: which of them, and why not the others."""
    wish = read_body(BulkJobs)
    found = [_looked_at(job_id, wish.action) for job_id in dict.fromkeys(wish.ids)]
    if wish.is_sure:
        found = [_done(one, wish.action) if one["can"] else one for one in found]
    can = sum(1 for one in found if one["can"])
    words = [i18n.words(f"bulk.{'done' if wish.is_sure else wish.action}", count=can, of=len(found))]
    return jsonify({"action": wish.action, "is_done": wish.is_sure, "jobs": found, "count": can, "words": words + _lines(found)})


def _looked_at(job_id: str, action: str) -> dict[str, Any]:
    """The job, whether the wish is possible for this caller now, and why not."""
    try:
        job = found_job(job_id)
    except SchedulerError:
        return {"id": job_id[:60], "role": "", "user": "", "state": "", "can": False, "why_not": i18n.words("bulk.unknown")}
    why_not = ""
    if not caller().may_change(job):
        why_not = i18n.words("bulk.no_right")
    elif action == "cancel" and job["state"] in FINAL_STATES:
        why_not = i18n.words("bulk.ended")
    elif action == "again" and (job["state"] not in FINAL_STATES or job["state"] == JobState.REJECTED):
        why_not = i18n.words("bulk.not_ended")
    elif action == "again" and not caller().may("submit"):
        why_not = i18n.words("bulk.no_right")
    return {
        "id": job["id"], "role": job["role"], "user": job["user"], "state": job["state"], "can": not why_not, "why_not": why_not,
    }  # fmt: skip


def _done(one: dict[str, Any], action: str) -> dict[str, Any]:
    """Do it; a job that moved meanwhile says so and holds nobody up."""
    try:
        answer = door().cancel(one["id"]) if action == "cancel" else door().again(one["id"])
    except SchedulerError as error:
        if error.status >= 500:
            raise
        return {**one, "can": False, "why_not": told(error.code, error.message, error.field, **error.data)[0]}
    return {**one, "result": answer["id"], "state": answer["state"]}


def _lines(found: list[dict[str, Any]]) -> list[str]:
    lines = []
    for one in found:
        about = f"{one['role']} {one['id']} · {one['user']} · {i18n.named('state', one['state'])}" if one["role"] else one["id"]
        lines.append(f"{'✓' if one['can'] else '✕'} {about}" + (f" · {one['why_not']}" if one["why_not"] else ""))
    return lines
