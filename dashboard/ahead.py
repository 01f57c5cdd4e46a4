"""The next half hour that is promised already: what open jobs will hold of a device's memory and slots, as forecasts have it.

A job counts from the middle of its expected start to the middle of its expected finish. Its memory is what it was admitted
with; to that comes what is held now by anything but the jobs that run. Where nobody can tell, nothing is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dashboard.expectations import begins

AHEAD_S = 1800.0


@dataclass(frozen=True)
class Promised:
    """One device: from each time on, percent of its slots' time, and bytes of its memory (None: its memory is not measured)."""

    device: str
    times: tuple[float, ...]
    load_percent: tuple[float, ...]
    memory_bytes: tuple[float, ...] | None


def slots_of(device: str, slots: int) -> tuple[int, ...]:
    """GPU n serves slot n, the box serves all of them."""
    if not device.startswith("gpu"):
        return tuple(range(slots))
    number = int(device.removeprefix("gpu"))
    return (number,) if number < slots else ()


def promised(
    readings: Iterable[Mapping[str, Any]], told: Mapping[str, Any], jobs: Mapping[str, Mapping[str, Any]], slots: int, now: float
) -> list[Promised]:
    """`readings`: the last of each device; `told`: of the forecaster, by job; `jobs`: id → slot and context_bytes of open jobs.

    Empty without slots, or while there are open jobs and no forecasts.
    """
    spans = {job_id: _span(one["estimate"], now) for job_id, one in told.items() if one.get("estimate") and job_id in jobs}
    if not slots or (jobs and not spans):
        return []
    return [found for reading in readings if (found := _of_device(reading, spans, jobs, slots, now)) is not None]


def _span(estimate: Mapping[str, Any], now: float) -> tuple[float, float]:
    return max(now, begins(estimate)[1]), min(now + AHEAD_S, max(now, estimate["finish"][1]))


def _of_device(
    reading: Mapping[str, Any], spans: Mapping[str, tuple[float, float]], jobs: Mapping[str, Mapping[str, Any]], slots: int,
    now: float,
) -> Promised | None:  # fmt: skip
    """A job that runs is on the device of its slot; one that waits may come to any, so each device has its share of it."""
    mine = slots_of(reading["device"], slots)
    if not mine:
        return None
    share = len(mine) / slots
    parts = []  # (from, to, slots, bytes)
    running = 0.0
    for job_id, (since, until) in spans.items():
        slot, size = jobs[job_id]["slot"], float(jobs[job_id]["context_bytes"])
        part = share if slot is None else float(slot in mine)
        if slot is not None:
            running += part * size
        if part and until > since:
            parts.append((since, until, part, part * size))
    times = sorted({now, now + AHEAD_S, *(at for since, until, _, _ in parts for at in (since, until))})
    at_work = [[part for part in parts if part[0] <= at < part[1]] for at in times]
    load = tuple(round(min(100.0, 100 * sum(part[2] for part in working) / len(mine)), 2) for working in at_work)
    used = reading.get("memory_used_bytes")
    memory = None
    if used is not None:
        rest = max(0.0, float(used) - running)
        memory = tuple(rest + sum(part[3] for part in sorted(working, key=_latest)[: len(mine)]) for working in at_work)
    return Promised(reading["device"], tuple(times), load, memory)


def _latest(part: tuple[float, float, float, float]) -> float:
    """Middles may overlap; the slots hold no more jobs than there are, those that began first."""
    return part[0]
