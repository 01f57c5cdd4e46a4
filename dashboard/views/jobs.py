"""The list of all jobs: filters, sorting and page in the address, tickets to act upon, and the same list as a file."""

from __future__ import annotations

import itertools
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, render_template

from dashboard import export
from dashboard.api.body import read_query
from dashboard.api.models import JobFilters
from dashboard.auth import caller, require
from dashboard.context import house
from dashboard.door import door
from scheduler.core.job import JobState
from scheduler.store.sql.jobs import EXPORTED_COLUMNS, SORTS, VERDICTS

FILTERS = ("text", "state", "user", "role", "verdict")
TIMES = frozenset({"submitted_at", "started_at", "finished_at"})
USUAL = {"sort": "-ordinal", "page": 1, "per_page": 50}
blueprint = Blueprint("job_lists", __name__)


@blueprint.get("/dashboard/jobs")
@require("see")
def page() -> str:
    """One page of the jobs that meet the filters."""
    given = read_query(JobFilters)
    filters = given.model_dump()
    found = house().reads.store.jobs(**_asked(filters))
    kept = {name: value for name, value in filters.items() if value and value != USUAL.get(name)}
    store = house().reads.store
    return render_template(
        "jobs/page.html",
        nav="jobs",
        found=found,
        given=filters,
        pills=[(name, kept[name], query(kept, **{name: None, "page": None})) for name in FILTERS if name in kept],
        query=lambda **changes: query(kept, **changes),
        sorts=SORTS,
        states=[*JobState],
        verdicts=VERDICTS,
        counts=store.state_counts(),
        roles=[row["name"] for row in store.roles()],
        mine={row["id"] for row in found.rows if caller().may_change(row)},
    )


@blueprint.get("/dashboard/jobs.<any(csv, json):kind>")
@require("see", "export")
def export_list(kind: str) -> Response:
    """The whole list of the same address as a file; who took it stands in the log."""
    filters = _asked(read_query(JobFilters).model_dump())
    for name in ("page", "per_page"):
        filters.pop(name)
    rows = house().reads.store.each_job(**filters)
    first = list(itertools.islice(rows, 1))  # a bad filter shows before anything is written down
    door().record("jobs:exported", "jobs", {"format": kind, "filters": {k: str(v) for k, v in filters.items() if v}})
    rows = itertools.chain(first, rows)
    lines = export.as_csv(rows, EXPORTED_COLUMNS, TIMES) if kind == "csv" else export.as_json(rows, TIMES)
    headers = {"Content-Disposition": f'attachment; filename="jobs.{kind}"'}
    return Response(lines, content_type=export.TYPES[kind], headers=headers)


def _asked(filters: dict[str, Any]) -> dict[str, Any]:
    """Several states stand in the address with commas."""
    state = filters["state"]
    return {**filters, "state": state.split(",") if state and "," in state else state}


def query(kept: dict[str, Any], **changes: Any) -> str:
    """The address' query with some names changed; None takes one out."""
    wanted = {**kept, **changes}
    return urlencode({name: value for name, value in wanted.items() if value is not None and value != USUAL.get(name)})
