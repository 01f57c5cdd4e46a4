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
    """`{"latest": {…}, "weeks": [{"week", …}], "not_scored"}` from rows of `forecast_outcomes`, in order of their ends.

    Jobs that were cancelled or failed prove nothing; they are counted apart.
    """
    weeks: dict[str, list[tuple[Range, float]]] = {}
    everything: list[tuple[Range, float]] = []
    not_scored = 0
    for row in rows:
        if row["state"] != JobState.SUCCEEDED or row["finished_at"] <= row["at"]:
            not_scored += 1
            continue
        at = row["at"]
        told = Range(row["finish_p10"] - at, row["finish_p50"] - at, row["finish_p90"] - at)
        outcome = (told, row["finished_at"] - at)
        everything.append(outcome)
        weeks.setdefault(_week(row["finished_at"]), []).append(outcome)
    return {
        "latest": score_of(everything[-LATEST:]).to_mapping(),
        "weeks": [{"week": week, **score_of(outcomes).to_mapping()} for week, outcomes in sorted(weeks.items())],
        "not_scored": not_scored,
    }


def _week(at: float) -> str:
    year, week, _ = datetime.fromtimestamp(at, UTC).isocalendar()
    return f"{year}-W{week:02d}"
