"""Jobs: submit, list, look at, and everything one may wish of one."""

from __future__ import annotations

import json
import re
from typing import Any

from flask import Blueprint, Response, jsonify

from dashboard import job_log, preview
from dashboard.api.body import idempotency_key, read_body, read_query
from dashboard.api.models import (
    AnyObject,
    Consent,
    JobFilters,
    LogQuery,
    NoBody,
    PreviewPriority,
    SetPriority,
    SubmitJob,
    SubmitQuery,
    Submitted,
)
from dashboard.api.openapi import documented
from dashboard.approvals import releases, waits_for
from dashboard.auth import caller, demand, require
from dashboard.cards import event_card, job_public
from dashboard.context import house
from dashboard.door import door
from dashboard.error_words import told_failure
from dashboard.errors import WebError
from dashboard.estimates import with_estimate, with_new
from dashboard.quality import quality_of
from dashboard.refusals import told_remarks
from dashboard.reviews import verdict_of
from dashboard.sessions import session_of
from scheduler.core.blocker_words import words_of
from scheduler.core.explain import Explanation
from scheduler.core.job import JobState

blueprint = Blueprint("jobs", __name__)
_JOB_ID = re.compile(r"[a-z0-9]{1,40}")


def found_job(job_id: str) -> dict[str, Any]:
    """The job's row. Raises WebError 404."""
    job = house().reads.store.job(job_id) if _JOB_ID.fullmatch(job_id) else None
    if job is None:
        raise WebError(404, "unknown_job", f"There is no job {job_id!r:.60}.", field="id", hint="GET /jobs lists them.")
    return job


def changeable_job(job_id: str) -> dict[str, Any]:
    """The job's row, if the caller may change it. Raises WebError 403 or 404."""
    job = found_job(job_id)
    if not caller().may_change(job):
        demand("change_any")
    return job


@blueprint.post("/jobs")
@documented("jobs", body=SubmitJob, query=SubmitQuery, gives=Submitted, status=202)
@require("submit")
def submit() -> tuple[Response, int]:
    """Submit a job. `Idempotency-Key` makes it safe to send again: the same key gives the same job."""
    wish, key = read_body(SubmitJob), idempotency_key()
    waits = read_query(SubmitQuery).estimate == "wait"
    user = wish.user or caller().name
    if user != caller().name:
        demand("submit_for_others")
    request = {**wish.model_dump(exclude_none=True), "user": user}
    answer = door().submit(request, idempotency_key=key)
    answer["warnings"] = told_remarks(answer["warnings"], answer["remarks"])
    return jsonify(with_new(answer, waits=waits)), 202


@blueprint.get("/jobs")
@documented("jobs", query=JobFilters)
@require("see")
def list_jobs() -> Response:
    """Jobs that meet all the filters, newest first unless `sort` says otherwise."""
    filters = read_query(JobFilters).model_dump()
    if filters["state"] and "," in filters["state"]:
        filters["state"] = filters["state"].split(",")
    page = house().reads.store.jobs(**filters)
    places = house().reads.places() if any(row["state"] == JobState.QUEUED for row in page.rows) else {}
    jobs = [{**job_public(row, caller(), _place(places.get(row["id"]))), **told_failure(row)} for row in page.rows]
    return jsonify({"jobs": jobs, "total": page.total, "page": page.page, "pages": page.pages})


def _place(place: tuple[int, int] | None) -> dict[str, int] | None:
    return None if place is None else {"place": place[0], "of": place[1]}


def why_public(why: Explanation) -> dict[str, Any]:
    """Why a job waits: `text`, and every blocker with its own `text`; `is_more`: it says what the sentence does not."""
    told = {str(why.reason), "asset_missing"}
    blockers = [
        {**one, "text": words_of(one), "is_more": one["rule"] not in told} for one in why.data["blockers"]
    ]  # fmt: skip
    return {"reason": str(why.reason), "text": why.text, "blockers": blockers}


def full_job(job: dict[str, Any]) -> dict[str, Any]:
    """A job for its own page: public fields, place, why it waits in both languages, how good its video is."""
    reads = house().reads
    place, why = reads.why(job)
    shown = {**job_public(job, caller(), _place(place)), **told_failure(job)}
    shown["why"] = None if why is None else why_public(why)
    if why is not None:
        shown["hold"] = str(why.reason)
    shown["quality"] = quality_of(reads, job)
    shown["session"] = session_of(reads, job)
    shown["judged"] = verdict_of(reads, job, caller())
    shown["waits_for"], shown["releases"] = waits_for(reads, job, caller()), releases(reads, job["id"])
    return shown


@blueprint.get("/jobs/<job_id>")
@documented("jobs")
@require("see")
def get_job(job_id: str) -> Response:
    """One job: state, place, why it waits, recipe (words of others' jobs are left out), the scores of its video, the verdict.

    `why` has the `reason`, its sentence (`text`) and all `blockers`; one that says what the sentence does not has `is_more`.
    """
    return jsonify(with_estimate(full_job(found_job(job_id))))


@blueprint.get("/jobs/<job_id>/log")
@documented("jobs", query=LogQuery)
@require("see")
def log(job_id: str) -> Response:
    """What the processes wrote down about the job: the newest 500 lines that are late and bad enough."""
    query, job = read_query(LogQuery), found_job(job_id)
    if not caller().may_read_words(job):
        raise WebError(403, "no_right", "This log is somebody else's.", hint="rights.yaml: see_words")
    lines = job_log.lines_of(house().settings.data_dir, job["id"], query.level, query.after)
    if query.download is None:
        return jsonify({"lines": lines, "until": lines[-1]["at"] if lines else query.after})
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    headers = {"Content-Disposition": f'attachment; filename="{job["id"]}.jsonl"'}
    return Response(text, content_type="application/x-ndjson", headers=headers)


@blueprint.get("/jobs/<job_id>/diagnosis")
@documented("jobs")
@require("see")
def diagnosis(job_id: str) -> Response:
    """What spoilt the job's video, looked for now: findings with evidence and remedy, and the most probable cause."""
    job = found_job(job_id)
    if not caller().may_read_words(job):
        raise WebError(403, "no_right", "This video is somebody else's.", hint="rights.yaml: see_words")
    return jsonify(door().diagnose(job["id"]))


@blueprint.get("/jobs/<job_id>/story")
@documented("jobs")
@require("see")
def story(job_id: str) -> Response:
    """Everything that happened to the job, oldest first."""
    job = found_job(job_id)
    return jsonify({"events": [event_card(dict(row)) for row in house().reads.store.story(job["id"])]})


@blueprint.get("/jobs/<job_id>/blocks")
@documented("jobs")
@require("see")
def blocks(job_id: str) -> Response:
    """The job's finished blocks with their times and hashes."""
    return jsonify({"blocks": house().reads.store.blocks(found_job(job_id)["id"])})


@blueprint.post("/jobs/<job_id>/cancel")
@documented("jobs", body=NoBody, gives=AnyObject)
@require("see")
def cancel(job_id: str) -> Response:
    """End the job; a running one stops at its next block."""
    read_body(NoBody)
    return jsonify(door().cancel(changeable_job(job_id)["id"]))


@blueprint.post("/jobs/<job_id>/pause")
@documented("jobs", body=NoBody)
@require("see")
def pause(job_id: str) -> Response:
    """Let the job wait; a running one stops at its next block and loses nothing."""
    read_body(NoBody)
    return jsonify(door().pause(changeable_job(job_id)["id"]))


@blueprint.post("/jobs/<job_id>/resume")
@documented("jobs", body=NoBody)
@require("see")
def resume(job_id: str) -> Response:
    """Let a paused job go on."""
    read_body(NoBody)
    return jsonify(door().resume(changeable_job(job_id)["id"]))


@blueprint.post("/jobs/<job_id>/priority")
@documented("jobs", body=SetPriority)
@require("see")
def priority(job_id: str) -> Response:
    """Give the job another priority. Without the right `prioritise`: one's own job, and only downwards."""
    wish, job = read_body(SetPriority), found_job(job_id)
    is_own_and_lower = caller().owns(job) and caller().may("lower_own") and wish.priority <= job["priority"]
    if not is_own_and_lower:
        demand("prioritise")
    return jsonify(door().set_priority(job["id"], wish.priority, wish.reason))


@blueprint.get("/jobs/<job_id>/priority/preview")
@documented("jobs", query=PreviewPriority)
@require("see")
def preview_priority(job_id: str) -> Response:
    """Who would be passed and who would have to give way; nothing is changed."""
    query, job = read_query(PreviewPriority), found_job(job_id)
    return jsonify(preview.of_priority(house().reads, job, query.priority))


@blueprint.post("/jobs/<job_id>/consent")
@documented("jobs", body=Consent)
@require("see")
def consent(job_id: str) -> Response:
    """Answer a job that asks whether it may be made at a lower rung."""
    wish = read_body(Consent)
    return jsonify(door().consent(changeable_job(job_id)["id"], wish.is_agreed))


@blueprint.post("/jobs/<job_id>/again")
@documented("jobs", body=NoBody, gives=Submitted, status=202)
@require("submit")
def again(job_id: str) -> tuple[Response, int]:
    """Submit a job that repeats this one's recipe exactly."""
    read_body(NoBody)
    return jsonify(door().again(changeable_job(job_id)["id"])), 202


@blueprint.post("/jobs/<job_id>/preview")
@documented("jobs", body=NoBody, gives=AnyObject, status=202)
@require("submit")
def renew_preview(job_id: str) -> tuple[Response, int]:
    """Make the preview of this waiting job again, where the first failed or was cancelled; `preview` is the new one."""
    read_body(NoBody)
    return jsonify(door().renew_preview(changeable_job(job_id)["id"])), 202
