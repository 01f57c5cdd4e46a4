"""The figures of a simulated run: waits, use of the slots, fairness, and how true the forecasts were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scheduler.core.job import JobState
from scheduler.forecast.ranges import quantile
from scheduler.forecast.score import score_of
from scheduler.simulation.fairness import service_ratio
from scheduler.simulation.records import JobRecord


def totals(records: Sequence[JobRecord], slot_seconds: float, forecaster: str) -> dict[str, Any]:
    """Everything of one run. `slot_seconds`: seconds that slots had a worker."""
    busy_s = sum((until - since) * record.line.gpus for record in records for since, until in record.spells)
    states = [record.state for record in records]
    return {
        "jobs": len(records), "succeeded": states.count(JobState.SUCCEEDED), "failed": states.count(JobState.FAILED),
        "cancelled": states.count(JobState.CANCELLED), "rejected": states.count(JobState.REJECTED),
        "unfinished": sum(1 for record in records if record.ended_at is None),
        **waits(records),
        "by_priority": {
            str(priority): waits([record for record in records if record.line.priority == priority])
            for priority in sorted({record.line.priority for record in records}, reverse=True)
        },
        "reserved": _part([record for record in records if record.line.start_at is not None], forecaster),
        "parts": _part([record for record in records if record.line.follows and not record.is_apart], forecaster),
        "preemptions": sum(record.preemptions for record in records),
        "workers_lost": sum(record.losses for record in records),
        "utilisation": round(busy_s / slot_seconds, 4) if slot_seconds > 0 else None,
        "fairness": _rounded(service_ratio(records)),
        **accuracy(records, forecaster),
    }  # fmt: skip


def _part(records: Sequence[JobRecord], forecaster: str) -> dict[str, Any]:
    """Some of the jobs: of those with a reserved time the waits say how late they were, of a session's later parts the gaps."""
    return {"jobs": len(records), **waits(records), **accuracy(records, forecaster)}


def waits(records: Sequence[JobRecord]) -> dict[str, Any]:
    """Seconds from when they could begin until a slot was given, of the jobs that got one."""
    found = sorted(record.wait_s for record in records if record.wait_s is not None)
    if not found:
        return {"mean_wait_s": None, "p50_wait_s": None, "p99_wait_s": None}
    return {
        "mean_wait_s": round(sum(found) / len(found), 3), "p50_wait_s": round(quantile(found, 0.5), 3),
        "p99_wait_s": round(quantile(found, 0.99), 3),
    }  # fmt: skip


def accuracy(records: Sequence[JobRecord], forecaster: str) -> dict[str, Any]:
    """Coverage and error of a forecaster's finishes, in order of submission."""
    outcomes = []
    for record in records:
        predicted, finish_s = record.predictions.get(forecaster), record.finish_s
        if predicted is not None and finish_s is not None:
            outcomes.append((predicted.finish, finish_s))
    return score_of(outcomes).to_mapping()


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
