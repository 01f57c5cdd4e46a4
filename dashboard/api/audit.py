"""The audit trail: filtered pages, exports that are themselves audited, and checking the chain."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, jsonify

from dashboard.api.body import read_body, read_query
from dashboard.api.models import AuditFilters, NoBody
from dashboard.api.openapi import documented
from dashboard.auth import require
from dashboard.context import house
from dashboard.door import door
from dashboard.verification import verdict_words
from scheduler import audit
from scheduler.store.views import ViewReader

blueprint = Blueprint("audit", __name__)
_PAGE = 500
_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson", "json": "application/json"}


@blueprint.get("/audit")
@documented("audit", query=AuditFilters)
@require("see_audit")
def get_audit() -> Response:
    """Rows that meet all the filters, newest first; the next page has `before_seq` = `next_before_seq`."""
    filters = read_query(AuditFilters).model_dump(exclude_none=True)
    rows = house().reads.store.audit(**filters)
    more = rows[-1]["seq"] if len(rows) == filters["limit"] and rows[-1]["seq"] > 1 else None
    return jsonify({"rows": rows, "next_before_seq": more})


@blueprint.get("/audit.<any(csv, json, jsonl):kind>")
@documented("audit", query=AuditFilters)
@require("see_audit", "export")
def export(kind: str) -> Response:
    """Every row that meets the filters, oldest first: csv (opens in spreadsheets), jsonl (ECS documents), json (a list)."""
    filters = read_query(AuditFilters).model_dump(exclude_none=True)
    filters.pop("limit", None)
    door().record("audit:exported", "audit", {"format": kind, "filters": {k: str(v) for k, v in filters.items()}})
    store = house().reads.store
    lines = _json(store, filters) if kind == "json" else store.export_audit(kind, **filters)
    first = next(lines, "")  # errors show before the answer begins
    return Response(
        itertools.chain([first], lines),
        content_type=_TYPES[kind],
        headers={"Content-Disposition": f'attachment; filename="audit.{kind}"'},
    )


def _json(store: ViewReader, filters: dict[str, Any]) -> Iterator[str]:
    """One JSON list, a page of rows at a time."""
    end, after, is_first = filters.pop("before_seq", None), 0, True
    yield "["
    while rows := store.audit(**filters, after_seq=after, limit=_PAGE):
        for row in rows:
            if end is not None and row["seq"] >= end:
                break
            yield ("" if is_first else ",\n") + json.dumps(row, ensure_ascii=False)
            is_first = False
        after = rows[-1]["seq"]
        if end is not None and after >= end:
            break
    yield "]\n"


@blueprint.post("/audit/verify")
@documented("audit", body=NoBody)
@require("verify")
def verify() -> Response:
    """Check every row's hash, the chain and the head kept outside the database; the check is itself recorded."""
    read_body(NoBody)
    verdict = audit.verify(house().settings.data_dir)
    figures = {"code": int(verdict.code), "rows": verdict.rows, "seq": verdict.seq, "broken_seq": verdict.broken_seq,
               "head_seq": verdict.head_seq}  # fmt: skip
    door().record("audit:verified", "audit", {"message": verdict.message, **figures})
    words = verdict_words({"message": verdict.message, **figures})
    return jsonify({"is_ok": verdict.is_ok, **figures, "message": words, "warnings": list(verdict.warnings)})
