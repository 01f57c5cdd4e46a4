"""When a job is expected to start and to be done, rounded as people read it: a window of 80 %, never a single moment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from scheduler.clock import house_now
from scheduler.forecasts import STALE, Foretold

FINE_S = 120.0  # windows narrower than this are told in steps of five seconds, wider ones in minutes
STEP_S, MINUTE_S = 5, 60
STALE_WORDS: dict[str, Any] = {
    "starts": None, "goes_on": None, "ends": None, "runs": None, "moved": None, "estimate_state": STALE,
}  # fmt: skip
OVER_WORDS: dict[str, Any] = {**STALE_WORDS, "estimate_state": "over"}


def window(low: float, high: float) -> list[int]:
    """[from, to] in whole seconds since 1970, rounded outwards, so that the promise stays as wide as it was."""
    step = STEP_S if high - low < FINE_S else MINUTE_S
    return [math.floor(low / step) * step, math.ceil(high / step) * step]


def expectation(told: Mapping[str, Any], now: float | None = None) -> dict[str, Any]:
    """`starts`, `goes_on` and `ends` as windows, `runs` they were learnt from, `moved` (the last time that the end moved far:
    `at`, `by_s`, `cause`, `count`), `estimate_state`.

    `starts` is None once it has begun; `goes_on`, when it plays on, is there while it has begun and stands in line again.
    """
    estimate = told["estimate"]
    if estimate is None:
        return {**STALE_WORDS, "estimate_state": told["estimate_state"]}
    at = house_now() if now is None else now
    start, finish = estimate["start"], estimate["finish"]
    return {
        "starts": window(start[0], start[2]) if start[2] > at else None,
        "goes_on": window(again[0], again[2]) if (again := estimate.get("goes_on")) and again[2] > at else None,
        "ends": window(finish[0], finish[2]), "runs": estimate["runs"], "moved": estimate.get("moved"),
        "estimate_state": told["estimate_state"],
    }  # fmt: skip


def begins(estimate: Mapping[str, Any]) -> list[float]:
    """From when on a job plays, p10, p50, p90 in seconds since 1970: who gave its slot up, from when it goes on."""
    found: list[float] = estimate.get("goes_on") or estimate["start"]
    return found


def with_expectations(jobs: list[dict[str, Any]], told: Foretold) -> list[dict[str, Any]]:
    """The jobs, each with what is expected of it."""
    return [{**job, "expected": expectation(told.of(str(job["id"])))} for job in jobs]
