"""Estimates beside jobs: ranges that are fresh, or null with the reason why there is none."""

from __future__ import annotations

from typing import Any

from dashboard.context import house
from scheduler.core.job import FINAL_STATES
from scheduler.forecasts import PENDING, Forecasts

_OVER = frozenset(state.value for state in FINAL_STATES)
NONE: dict[str, Any] = {"estimate": None, "estimate_state": "over"}


def forecasts() -> Forecasts:
    """The forecaster of this house."""
    return Forecasts(house().settings.data_dir)


def with_new(answer: dict[str, Any], *, waits: bool) -> dict[str, Any]:
    """The answer to a submission: at once and without an estimate, or with one if the forecaster is quick."""
    if answer.get("state") in _OVER:
        return {**answer, **NONE}
    if not waits:
        return {**answer, "estimate": None, "estimate_state": PENDING}
    return {**answer, **forecasts().of_new(str(answer["id"]))}


def with_estimate(job: dict[str, Any]) -> dict[str, Any]:
    """One job with its estimate."""
    return {**job, **(NONE if job["state"] in _OVER else forecasts().of(str(job["id"])))}


def with_estimates(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Open jobs with their estimates; the forecaster is asked once."""
    asked = forecasts()
    told = asked.everybody() if jobs else {}
    return [{**job, **asked.of(str(job["id"]), told)} for job in jobs]
