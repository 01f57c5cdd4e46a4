"""The score of what people were told: the first forecast of each job against what happened, week by week."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from scheduler.core.job import JobState
from scheduler.forecast.ranges import Range
from scheduler.forecast.score import score_of

LATEST = 500


def scores(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """`{"latest": {…}, "weeks": [{"week", …}], "not_scored", "not_scored_by"}` from rows of `forecast_outcomes`, in order
    of their ends.

    Jobs that were cancelled, failed, or ended before their forecast was made prove nothing; `not_scored_by` counts each of
    these, `not_scored` is their sum.
    """
    weeks: dict[str, list[tuple[Range, float]]] = {}
    everything: list[tuple[Range, float]] = []
    without = {"cancelled": 0, "failed": 0, "ended_before": 0}
    for row in rows:
        if (why := _why_unscored(row)) is not None:
            without[why] += 1
            continue
        at = row["at"]
        told = Range(row["finish_p10"] - at, row["finish_p50"] - at, row["finish_p90"] - at)
        outcome = (told, row["finished_at"] - at)
        everything.append(outcome)
        weeks.setdefault(_week(row["finished_at"]), []).append(outcome)
    return {
        "latest": score_of(everything[-LATEST:]).to_mapping(),
        "weeks": [{"week": week, **score_of(outcomes).to_mapping()} for week, outcomes in sorted(weeks.items())],
        "not_scored": sum(without.values()), "not_scored_by": without,
    }  # fmt: skip


def _why_unscored(row: Mapping[str, Any]) -> str | None:
    if row["state"] == JobState.CANCELLED:
        return "cancelled"
    if row["state"] != JobState.SUCCEEDED:
        return "failed"
    return "ended_before" if row["finished_at"] <= row["at"] else None


def _week(at: float) -> str:
    year, week, _ = datetime.fromtimestamp(at, UTC).isocalendar()
    return f"{year}-W{week:02d}"
