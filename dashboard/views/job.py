"""The job page: progress, live picture, why it waits, story, recipe, and what one may do with it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from flask import Blueprint, render_template

from dashboard.api.jobs import found_job, full_job
from dashboard.auth import caller, require
from dashboard.cards import event_card
from dashboard.context import house
from scheduler.core.job import FINAL_STATES

BLOCKS_SHOWN = 12
blueprint = Blueprint("job_pages", __name__, url_prefix="/dashboard/jobs")


@blueprint.get("/<job_id>")
@require("see")
def page(job_id: str) -> str:
    """One job."""
    row, store = found_job(job_id), house().reads.store
    blocks = store.blocks(row["id"])
    return render_template(
        "job/page.html",
        nav="",
        job=full_job(row),
        is_final=row["state"] in FINAL_STATES,
        may_change=caller().may_change(row),
        may_watch=caller().may_read_words(row),
        may_prioritise=caller().may("prioritise") or (caller().owns(row) and caller().may("lower_own")),
        story=[event_card(dict(entry)) for entry in store.story(row["id"]) if entry["action"] != "block:finished"],
        blocks=blocks[-BLOCKS_SHOWN:],
        stages=stage_shares(blocks),
        computing=sum(block["seconds"] for block in blocks),
        peak=max((block["peak_bytes"] for block in blocks), default=None) or None,
    )


def stage_shares(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the computing time went into: name, milliseconds per block, share in percent; largest first."""
    total: Counter[str] = Counter()
    for block in blocks:
        total.update({name: float(value) for name, value in block["stage_ms"].items()})
    whole = sum(total.values())
    return [
        {"name": name, "ms": value / len(blocks), "share": 100 * value / whole} for name, value in total.most_common() if whole
    ]
