"""What people are told: a range with its basis, or why there is none. Fewer than five finished jobs tell nothing."""

from __future__ import annotations

from typing import Any

from scheduler.core.job import HoldReason
from scheduler.core.state import State
from scheduler.forecast.not_before import open_slots
from scheduler.forecast.ranges import Estimate, Range
from scheduler.forecast.steady import Moved

LEAST_RUNS = 5
FEW_RUNS, HELD, FAR, PAUSED, DRAINED = "few_runs", "held", "far_back", "queue_paused", "slots_drained"
WAITS_FOR_A_PERSON = frozenset(
    {HoldReason.PAUSED, HoldReason.AWAITING_CONSENT, HoldReason.APPROVAL, HoldReason.ROLE_UNAVAILABLE}
)


def told_of(
    estimate: Estimate | None, now: float, runs: int, otherwise: str, moved: Moved | None = None
) -> dict[str, Any]:
    """`{"estimate": {"start": [p10, p50, p90], "goes_on": …, "finish": […], "runs", "moved"}, "estimate_state": "known"}`, or
    None and why.

    Times are seconds since 1970. `goes_on`: when a job that gave its slot up plays on, else None. `moved`: the last time that
    the end moved far, with its reason (`scheduler.forecast.steady`).
    Reasons for None: "few_runs", and `otherwise`, as `untold_of` finds it.
    """
    if runs < LEAST_RUNS:
        return {"estimate": None, "estimate_state": FEW_RUNS}
    if estimate is None:
        return {"estimate": None, "estimate_state": otherwise}
    shown = {
        "start": _times(estimate.start, now), "goes_on": None if estimate.goes_on is None else _times(estimate.goes_on, now),
        "finish": _times(estimate.finish, now), "runs": runs, "moved": None if moved is None else moved.to_mapping(),
    }  # fmt: skip
    return {"estimate": shown, "estimate_state": "known"}


def _times(seconds: Range, now: float) -> list[float]:
    return [round(now + value, 3) for value in (seconds.p10, seconds.p50, seconds.p90)]


def untold_of(state: State, job_id: str, otherwise: str = HELD) -> str:
    """Why an open job has no range: "held" (it waits for a person), "queue_paused", "slots_drained" (all of them, by hand or for
    a fault, so that nobody knows until when), else `otherwise`."""
    job = state.jobs.get(job_id)
    if job is None or job.hold in WAITS_FOR_A_PERSON:
        return HELD
    if state.is_queue_paused:
        return PAUSED
    return otherwise if open_slots(state.slots) else DRAINED
