"""A day rehearsed in the simulated studio: the real core, the day's demand and faults, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scheduler.core.job import JobState
from scheduler.core.policy import Policy
from scheduler.costs import Costs
from scheduler.rehearsal.classes import Ended, by_class
from scheduler.rehearsal.peaks import Stay, peaks_of
from scheduler.rehearsal.sources import Source
from scheduler.simulation.records import JobRecord
from scheduler.simulation.run import simulate

SHOWN_TOTALS = (
    "jobs", "succeeded", "failed", "cancelled", "rejected", "unfinished", "mean_wait_s", "p50_wait_s", "p99_wait_s",
    "preemptions", "workers_lost", "utilisation", "fairness",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Rehearsed:
    """Figures of one rehearsed day under one policy."""

    totals: dict[str, Any]
    classes: dict[str, dict[str, Any]]
    peaks: dict[str, Any]


def rehearse(source: Source, slots: int, policy: Policy, seed: int) -> Rehearsed:
    """Play the day through. Raises SchedulerError where the day has more slots than the house."""
    costs = Costs(block_s=source.block_s)
    result = simulate(source.trace, slots=slots, policy=policy, costs=costs, seed=seed, forecasters={})
    ended = [_ended(record) for record in result.records]
    return Rehearsed(
        totals={name: result.totals[name] for name in SHOWN_TOTALS},
        classes=by_class(ended, policy.urgent_priority),
        peaks=peaks_of([_stay(record) for record in result.records], slots),
    )


def _ended(record: JobRecord) -> Ended:
    return Ended(
        priority=record.line.priority, wait_s=record.wait_s, preemptions=record.preemptions,
        is_done=record.state is JobState.SUCCEEDED,
    )  # fmt: skip


def _stay(record: JobRecord) -> Stay:
    return Stay(
        id=record.line.id, user=record.line.user, team=record.line.team, role=record.line.role, at=record.line.at,
        spells=tuple(record.spells), ended_at=record.ended_at, due_at=record.due_at,
    )  # fmt: skip
