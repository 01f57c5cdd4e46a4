"""What a live rehearsal measured beyond its rows: spells on slots, block pace, handovers, and how true the estimates were.

Read from the log and the blocks, so that a pause between two spells is no work and preparing is told apart from waiting.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from statistics import median
from typing import Any

from scheduler.audit import AuditEntry
from scheduler.rehearsal.classes import mean
from scheduler.store import Reader
from scheduler.store.forecast_reads import seconds_of

LEASED, STARTED = "job:leased", "job:started"
_FREED = frozenset({"job:preempted", "job:recovered", "job:retried", "job:succeeded", "job:failed", "job:cancelled"})
_FREED_BY_FAILURE = frozenset({"job:offered", "job:degraded"})  # with the failure's code; without one the job goes on meanwhile


def spells_of(reader: Reader, job_id: str, until: float | None) -> tuple[tuple[float, float], ...]:
    """From when until when slots held the job (seconds since 1970); one that is still held ends at `until`."""
    found: list[tuple[float, float]] = []
    since: float | None = None
    for row in reader.story(f"job:{job_id}"):
        if row["action"] == LEASED:
            since = seconds_of(row["at_utc"])
        elif since is not None and _is_freed(row):
            found.append((since, seconds_of(row["at_utc"])))
            since = None
    if since is not None and until is not None:
        found.append((since, max(since, until)))
    return tuple(found)


def _is_freed(row: AuditEntry) -> bool:
    return row["action"] in _FREED or (row["action"] in _FREED_BY_FAILURE and "code" in row["body"])


def pace_of(reader: Reader, job_ids: Iterable[str]) -> float | None:
    """Seconds from block to block, the median over all; the first of a spell counts from its start. None without blocks."""
    gaps: list[float] = []
    for job_id in job_ids:
        starts = [seconds_of(row["at_utc"]) for row in reader.story(f"job:{job_id}") if row["action"] == STARTED]
        ends = [row["made_at"] for row in reader.blocks(job_id)]
        marks = sorted([(at, False) for at in starts] + [(at, True) for at in ends])
        gaps += [later - sooner for (sooner, _), (later, is_block) in pairwise(marks) if is_block]
    return round(median(gaps), 3) if gaps else None


def handover_of(reader: Reader, row: Mapping[str, Any], block_s: float | None) -> dict[str, Any]:
    """An urgent job's way to its first block: until it had the slot, in seconds and blocks, and how long its worker prepared."""
    times = {row["action"]: seconds_of(row["at_utc"]) for row in reversed(reader.story(f"job:{row['id']}"))}
    leased, started = times.get(LEASED), times.get(STARTED)
    slot_s = None if leased is None else round(max(0.0, leased - row["submitted_at"]), 3)
    return {
        "id": row["id"], "slot_s": slot_s,
        "slot_blocks": None if slot_s is None or not block_s else round(slot_s / block_s, 2),
        "prepare_s": None if started is None or leased is None else round(started - leased, 3),
        "wait_s": None if started is None else round(started - row["submitted_at"], 3),
    }  # fmt: skip


def estimates_of(reader: Reader, rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """First estimates of those that succeeded: how many were told, how many ends lay in their 80 %, how far off the middle."""
    told = within = 0
    errors = []
    for row in rows:
        first = reader.first_forecast(row["id"]) if row["state"] == "SUCCEEDED" else None
        if first is not None and row["finished_at"] > first["at"]:
            told += 1
            within += first["finish_p10"] <= row["finished_at"] <= first["finish_p90"]
            errors.append(abs(first["finish_p50"] - row["finished_at"]) / (row["finished_at"] - first["at"]))
    return {"told": told, "within": within, "mean_error": mean(errors)}
