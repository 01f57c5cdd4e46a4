"""The job page: progress, live picture, why it waits, story, recipe, and what one may do with it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template

from dashboard import job_phases
from dashboard.api.jobs import found_job, full_job
from dashboard.auth import caller, require
from dashboard.cards import event_card
from dashboard.context import house
from dashboard.error_words import job_problem
from dashboard.expectations import window
from dashboard.handovers import handovers
from dashboard.honesty import is_inside
from dashboard.reviews import talk_of
from scheduler.core.job import FINAL_STATES, JobState

BLOCKS_SHOWN = 12
blueprint = Blueprint("job_pages", __name__, url_prefix="/dashboard/jobs")


@blueprint.get("/<job_id>")
@require("see")
def page(job_id: str) -> str:
    """One job."""
    row, store = found_job(job_id), house().reads.store
    return render_template(
        "job/page.html",
        nav="",
        job=full_job(row),
        is_final=row["state"] in FINAL_STATES,
        expected=None if row["state"] in FINAL_STATES else house().board.of(row["id"]),
        may_change=caller().may_change(row),
        may_watch=caller().may_read_words(row),
        talk=talk_of(house().reads, row, caller()),
        may_prioritise=caller().may("prioritise") or (caller().owns(row) and caller().may("lower_own")),
        story=[event_card(dict(entry)) for entry in store.story(row["id"]) if entry["action"] != "block:finished"],
        **figures_of(row),
    )


@blueprint.get("/<job_id>/figures")
@require("see")
def figures(job_id: str) -> str:
    """The parts of the page that a running job changes: the page puts them in the place of its own."""
    row = found_job(job_id)
    talk = talk_of(house().reads, row, caller())
    return render_template("job/figures.html", job=full_job(row), talk=talk, **figures_of(row))


def figures_of(row: dict[str, Any]) -> dict[str, Any]:
    """What went wrong, and what the blocks so far have cost."""
    store = house().reads.store
    sums = store.block_sums(row["id"])
    return {
        "problem": job_problem(row, _rejection(row)),
        "blocks": store.last_blocks(row["id"], BLOCKS_SHOWN),
        "stages": job_phases.stages(store.stage_sums(row["id"]), sums["blocks"], measuring_s(store.quality(row["id"]))),
        "phases": job_phases.phases(row, store.block_span(row["id"]), sums["seconds"] or 0.0),
        "first": store.first_forecast(row["id"]) if row["state"] == JobState.SUCCEEDED else None,
        "handovers": handovers(house().reads, row["id"]) if row["preemptions"] or row["state"] in FINAL_STATES else [],
        "window_of": window,
        "may_watch_session": all(caller().may_read_words(part) for part in store.session_of(row["id"])),
        "is_inside": is_inside,
        "computing": sums["seconds"],
        "peak": sums["peak_bytes"],
    }


def _rejection(row: dict[str, Any]) -> dict[str, str] | None:
    """In both languages what admission said of a job that it rejected."""
    if row["state"] != JobState.REJECTED:
        return None
    decisions = (entry["body"].get("decision") for entry in house().reads.store.story(row["id"]))
    return next((found["text"] for found in decisions if found and found.get("text")), None)


def measuring_s(quality: dict[str, Any] | None) -> float | None:
    """Seconds that measuring the finished video took, as far as anybody tried."""
    return None if quality is None else float(quality["took_s"])
