"""The house's own past as a trace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from engine.catalog import PRESETS
from scheduler.core.block_times import BlockTimes, Pace
from scheduler.simulation.trace import Trace, TraceFault, TraceJob
from scheduler.store import Reader

END_OF_TIME = 253_402_300_799.0  # the log's text of a time has four digits for the year


def trace_of(reader: Reader, since: float = 0.0, until: float = END_OF_TIME) -> Trace:
    """What was asked for and what broke between two times (seconds since 1970). The first line is second 0.

    A job that made blocks carries its measured `block_s`; one that made none what was learnt of its settings, if anything.
    """
    with reader.snapshot():
        rows = list(reader.trace_jobs(since, until))
        faults = list(_faults(reader.trace_faults(since, until)))
        times = reader.block_times()
    learnt = Pace(BlockTimes(times), sorted({key.device for key, _ in times}))
    starts = [row["submitted_at"] for row in rows] + [fault.at for fault in faults]
    zero = min(starts, default=0.0)
    return Trace(
        jobs=tuple(sorted((_job(row, zero, learnt) for row in rows), key=lambda job: job.at)),
        faults=tuple(TraceFault(at=fault.at - zero, event=fault.event, slot=fault.slot) for fault in faults),
        begins_at=zero,
    )


def preset_of(recipe: dict[str, Any]) -> str:
    """The preset whose size and steps the settings have; otherwise both, as "384*256:4"."""
    size, steps = recipe["settings"].get("size"), recipe["settings"].get("steps")
    for name, preset in PRESETS.items():
        if (preset.size, preset.steps) == (size, steps):
            return name
    return f"{size}:{steps}"


def _job(row: dict[str, Any], zero: float, learnt: Pace) -> TraceJob:
    recipe, block_s = json.loads(row["recipe"]), row["block_s"]
    if block_s is None and row["width"] is not None:
        block_ms = learnt.block_ms(recipe, row["width"], row["height"])
        block_s = None if block_ms is None else block_ms / 1000
    return TraceJob(
        at=row["submitted_at"] - zero, id=row["id"], user=row["user"], team=row["team"] or "none", role=row["role"],
        priority=row["priority"], blocks=row["total_blocks"], preset=preset_of(recipe), block_s=block_s,
        deadline=None if row["deadline"] is None else max(row["submitted_at"], row["deadline"]) - zero,
    )  # fmt: skip


def _faults(rows: Iterator[dict[str, Any]]) -> Iterator[TraceFault]:
    """A loss of a slot that has a worker, and the return after it; the first start of a day is no return."""
    is_lost: dict[int, bool] = {}
    for row in rows:
        slot = row["slot"]
        if row["is_lost"] != is_lost.get(slot, False):
            is_lost[slot] = row["is_lost"]
            yield TraceFault(at=row["at"], event="worker_lost" if row["is_lost"] else "worker_back", slot=slot)
