"""The audit page: filters in the address, paging, export, checking the chain."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Blueprint, redirect, render_template, request
from werkzeug import Response

from dashboard import formats
from dashboard.api.body import read_query
from dashboard.api.models import AuditFilters
from dashboard.audit_lines import lines_of, summary_of, worded
from dashboard.auth import require
from dashboard.context import house
from dashboard.span import moment
from dashboard.verification import verdict_words
from scheduler.audit.entry import utc_text

blueprint = Blueprint("audit_pages", __name__, url_prefix="/dashboard/audit")
exports = Blueprint("audit_exports", __name__)
FILTERS = ("text", "actor", "group", "action", "object", "outcome", "since", "until")


@blueprint.get("/")
@require("see_audit")
def page() -> str:
    """Rows that meet the filters, newest first."""
    filters = read_query(AuditFilters)
    given = {name: value for name, value in request.args.items() if value}
    kept = {name: value for name, value in given.items() if name in FILTERS}
    ends = _ends(kept)
    rows = house().reads.store.audit(**{**filters.model_dump(exclude_none=True), **ends})
    is_more = len(rows) == filters.limit and rows[-1]["seq"] > 1
    return render_template(
        "audit/page.html",
        nav="audit",
        rows=rows,
        lines_of=lines_of,
        summary_of=summary_of,
        worded=worded,
        verdict_words=verdict_words,
        filters=kept,
        pills=[(name, value, urlencode(_without(kept, name))) for name, value in kept.items()],
        export_query=urlencode({**kept, **ends}),
        older=urlencode({**kept, "before_seq": rows[-1]["seq"]}) if is_more else "",
        is_first=filters.before_seq is None,
        newest=urlencode(kept),
        last_check=house().reads.store.last_entry_of("audit", "audit:verified"),
    )


@exports.get("/dashboard/audit.<any(csv, json, jsonl):kind>")
@require("see_audit", "export")
def export(kind: str) -> Response:
    """The page's address with an ending gives its rows as a file; times in it are the page's, in the studio's zone."""
    kept = {name: value for name, value in request.args.items() if value and name in FILTERS}
    return redirect(f"/audit.{kind}?{urlencode({**kept, **_ends(kept)})}")


def _ends(kept: dict[str, str]) -> dict[str, str]:
    """`since` and `until` as UTC text: people write them in the studio's zone, as they read every time on the page."""
    zone = formats.zone_of(house().settings.zone)
    return {name: utc_text(moment(kept[name], name, zone)) for name in ("since", "until") if name in kept}


def _without(kept: dict[str, str], name: str) -> dict[str, str]:
    return {other: value for other, value in kept.items() if other != name}
