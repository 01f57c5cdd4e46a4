"""Roles: the list, and a page per role with portrait, prompt preview, switch and history."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template

from dashboard import fairness
from dashboard.api.body import read_query
from dashboard.api.models import SpanQuery
from dashboard.api.roles import found_role, role_public, variables_of
from dashboard.auth import require
from dashboard.context import house
from dashboard.first_look import first_beat
from dashboard.promises import promises
from dashboard.quotas import quotas
from dashboard.span import picker, span_of
from scheduler.core.job import JobState

blueprint = Blueprint("role_pages", __name__, url_prefix="/dashboard/roles")
JOBS_SHOWN = 10


@blueprint.get("/")
@require("see")
def index() -> str:
    """Every role with its portrait and what it did."""
    reads = house().reads
    on_stage = {slot.get("role") for slot in first_beat().slots} | set(reads.stages().values())
    roles = [{**role_public(row), "stats": reads.store.role_stats(row["name"])} for row in reads.store.roles()]
    span = span_of(read_query(SpanQuery), "7d")
    return render_template(
        "roles/index.html", nav="roles", roles=roles, on_stage=on_stage, span=picker(span),
        quotas=quotas(reads),
        shares=fairness.shares(reads, span.since), waits=fairness.waits(reads, span.since), fewest=fairness.FEWEST,
    )  # fmt: skip


@blueprint.get("/<name>")
@require("see")
def page(name: str) -> str:
    """One role."""
    row, reads, span = found_role(name), house().reads, span_of(read_query(SpanQuery), "7d")
    role, loaded = role_public(row), reads.store.load_role(name)
    blocks = reads.store.role_blocks(name, 200)
    waiting, _ = reads.waiting(JOBS_SHOWN, role=name)
    latest = reads.store.jobs(role=name, per_page=JOBS_SHOWN).rows
    seconds = sorted(block["seconds"] for block in blocks)
    return render_template(
        "roles/page.html",
        nav="roles",
        span=picker(span),
        role=role,
        variables=variables_of(loaded) if loaded else [],
        stats=reads.store.role_stats(name),
        jobs=(waiting + [job for job in latest if job["state"] != JobState.QUEUED])[:JOBS_SHOWN],
        versions=reads.store.role_versions(name),
        median=seconds[len(seconds) // 2] if seconds else None,
        peak=max((block["peak_bytes"] for block in blocks), default=None) or None,
        blocks=len(blocks),
        promises=promises(reads, name, row["body"], span),
        adapters=_adapters(name, row["body"].get("adapters") or []),
    )


def _adapters(name: str, uses: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(name, place) of a role's adapters: `on_stage` while one of its videos is being made, `in_memory` while the vault holds
    the file, else `on_disk`; "" while the daemon does not say."""
    beat = first_beat()
    held = (beat.status.get("vault") or {}).get("adapters")
    plays = any(slot.get("role") == name for slot in beat.status.get("slots") or [])

    def place(sha256: str) -> str:
        if plays:
            return "on_stage"
        return "" if held is None else "in_memory" if sha256 in held else "on_disk"

    return [(str(use["name"]), place(use["sha256"])) for use in uses]
