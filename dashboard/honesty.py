"""First forecasts against what happened, one dot per finished job: how far off the middle was, and whether the window held."""

from __future__ import annotations

from typing import Any

from dashboard import i18n
from dashboard.formats import duration
from dashboard.reads import Reads
from dashboard.span import Span
from scheduler.core.job import JobState

MOST = 500
LATEST_PERCENT = 200.0  # dots beyond are drawn at the edge; the hover says the truth
Chart = dict[str, Any]


def chart(reads: Reads, span: Span) -> Chart:
    """Percent later (above zero) or sooner than the middle of the first forecast, by when the job was done."""
    rows = [
        row for row in reads.store.forecast_outcomes(span.since - 86_400)
        if row["state"] == JobState.SUCCEEDED and span.since <= row["finished_at"] < span.until and row["finished_at"] > row["at"]
    ][-MOST:]  # fmt: skip
    traces = []
    for kind in ("inside", "outside"):
        mine = [row for row in rows if is_inside(row) == (kind == "inside")]
        traces.append({
            "kind": kind, "x": [round(row["finished_at"] * 1000) for row in mine],
            "y": [max(-LATEST_PERCENT, min(LATEST_PERCENT, _off(row))) for row in mine], "text": [_words(row) for row in mine],
        })  # fmt: skip
    since = span.shown_since(rows[0]["finished_at"] if rows else None)
    return {"traces": traces if rows else [], "unit": "%", "since": since * 1000, "until": span.until * 1000,
            "is_live": span.is_live}  # fmt: skip


def is_inside(row: dict[str, Any]) -> bool:
    """Was the job done within the window that was told first?"""
    return bool(row["finish_p10"] <= row["finished_at"] <= row["finish_p90"])


def _off(row: dict[str, Any]) -> float:
    told = max(1.0, row["finish_p50"] - row["at"])
    return round(100 * (row["finished_at"] - row["finish_p50"]) / told, 1)


def _words(row: dict[str, Any]) -> str:
    told, took = row["finish_p50"] - row["at"], row["finished_at"] - row["at"]
    return i18n.words("honest.dot", id=row["job_id"], told=duration(round(told)), took=duration(round(took)))
