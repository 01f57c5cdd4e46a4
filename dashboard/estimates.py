"""Estimates beside jobs: ranges that are fresh, or null with the reason why there is none."""

from __future__ import annotations

from typing import Any

from dashboard.context import house
from scheduler.core.job import FINAL_STATES
from scheduler.forecasts import OVER, PENDING, Forecasts, Foretold

_OVER = frozenset(state.value for state in FINAL_STATES)


def forecasts() -> Forecasts:
    """The forecaster of this house."""
    return Forecasts(house().settings.data_dir)


def with_new(answer: dict[str, Any], *, waits: bool) -> dict[str, Any]:
    """The answer to a submission: at once and without an estimate, or with one if the forecaster is quick."""
    if answer.get("state") in _OVER:
        return {**answer, **OVER}
    if not waits:
        return {**answer, "estimate": None, "estimate_state": PENDING}
    return {**answer, **forecasts().of_new(str(answer["id"]))}


def with_estimate(job: dict[str, Any]) -> dict[str, Any]:
    """One job with its estimate."""
    return {**job, **(OVER if job["state"] in _OVER else forecasts().everybody().of(str(job["id"])))}


def with_estimates(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Open jobs with their estimates; the forecaster is asked once."""
    told = forecasts().everybody() if jobs else Foretold()
    return [{**job, **told.of(str(job["id"]))} for job in jobs]
