"""What people are told: a range with its basis, or why there is none. Fewer than five finished jobs tell nothing."""

from __future__ import annotations

from typing import Any

from scheduler.forecast.ranges import Estimate, Range

LEAST_RUNS = 5
FEW_RUNS, HELD, FAR = "few_runs", "held", "far_back"


def told_of(estimate: Estimate | None, now: float, runs: int, otherwise: str) -> dict[str, Any]:
    """`{"estimate": {"start": [p10, p50, p90], "finish": […], "runs"}, "estimate_state": "known"}`, or None and a reason.

    Times are seconds since 1970. Reasons: "few_runs", "held" (waits for a person), "far_back" (too far back
    in line to be looked at).
    """
    if runs < LEAST_RUNS:
        return {"estimate": None, "estimate_state": FEW_RUNS}
    if estimate is None:
        return {"estimate": None, "estimate_state": otherwise}
    shown = {"start": _times(estimate.start, now), "finish": _times(estimate.finish, now), "runs": runs}
    return {"estimate": shown, "estimate_state": "known"}


def _times(seconds: Range, now: float) -> list[float]:
    return [round(now + value, 3) for value in (seconds.p10, seconds.p50, seconds.p90)]
