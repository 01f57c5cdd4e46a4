"""Classes of priority, and how long each of them waited."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

HIGH, NORMAL = 30, 10
CLASSES = ("urgent", "high", "normal", "low")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What became of one job. Seconds; `wait_s` None: no slot was ever given to it."""

    priority: int
    wait_s: float | None
    preemptions: int = 0
    is_done: bool = True


def class_of(priority: int, urgent_priority: int) -> str:
    """The class of a priority."""
    if priority >= urgent_priority:
        return "urgent"
    return "high" if priority >= HIGH else "normal" if priority >= NORMAL else "low"


def by_class(jobs: Iterable[Ended], urgent_priority: int) -> dict[str, dict[str, Any]]:
    """Waits of each class that had jobs, the most urgent first."""
    groups: dict[str, list[Ended]] = {name: [] for name in CLASSES}
    for job in jobs:
        groups[class_of(job.priority, urgent_priority)].append(job)
    return {name: _figures(group) for name, group in groups.items() if group}


def _figures(group: Sequence[Ended]) -> dict[str, Any]:
    waits = sorted(job.wait_s for job in group if job.wait_s is not None)
    return {
        "jobs": len(group), "done": sum(job.is_done for job in group), "mean_wait_s": mean(waits),
        "p50_wait_s": share_of(waits, 0.5), "p90_wait_s": share_of(waits, 0.9), "p99_wait_s": share_of(waits, 0.99),
        "longest_wait_s": share_of(waits, 1.0), "preemptions": sum(job.preemptions for job in group),
    }  # fmt: skip


def mean(values: Sequence[float]) -> float | None:
    """Rounded mean; None of nothing."""
    return round(sum(values) / len(values), 3) if values else None


def share_of(ordered: Sequence[float], share: float) -> float | None:
    """The smallest of the sorted values that at least this share does not exceed; None of nothing."""
    if not ordered:
        return None
    place = max(0, min(len(ordered) - 1, round(share * len(ordered) + 0.4999) - 1))
    return round(ordered[place], 3)
