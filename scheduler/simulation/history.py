"""The house's own past as a trace."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from scheduler.core.block_times import BlockTimes, Pace
from scheduler.costs import preset_of
from scheduler.simulation.trace import Trace, TraceFault, TraceJob, TracePause
from scheduler.store import Reader

END_OF_TIME = 253_402_300_799.0  # the log's text of a time has four digits for the year


def trace_of(reader: Reader, since: float = 0.0, until: float = END_OF_TIME) -> Trace:
    """What was asked for, what broke and what was paused between two times (seconds since 1970). The first line is second 0.

    A job that made blocks carries its measured `block_s`; one that made none what was learnt of its settings, if anything.
    A session that began before the first time goes on as one of its own. A pause that has not ended is left out, as are wishes
    to cancel: both would keep a job from ever being played.
    """
    with reader.snapshot():
        rows = list(_askable(reader.trace_jobs(since, until)))
        faults = list(_faults(reader.trace_faults(since, until)))
        marks = list(reader.trace_pauses(since))
        times = reader.block_times()
    learnt = Pace(BlockTimes(times), sorted({key.device for key, _ in times}))
    pauses = list(_pauses(marks, {row["id"]: row["submitted_at"] for row in rows}, until))
    starts = [row["submitted_at"] for row in rows] + [fault.at for fault in faults] + [pause.at for pause in pauses]
    zero = min(starts, default=0.0)
    return Trace(
        jobs=tuple(sorted((_job(row, zero, learnt) for row in rows), key=lambda job: job.at)),
        faults=tuple(replace(fault, at=fault.at - zero) for fault in faults),
        pauses=tuple(sorted((replace(pause, at=pause.at - zero) for pause in pauses), key=lambda pause: pause.at)),
        begins_at=zero,
    )


def _job(row: dict[str, Any], zero: float, learnt: Pace) -> TraceJob:
    recipe, block_s = json.loads(row["recipe"]), row["block_s"]
    if block_s is None and row["width"] is not None:
        block_ms = learnt.block_ms(recipe, row["width"], row["height"])
        block_s = None if block_ms is None else block_ms / 1000
    return TraceJob(
        at=row["submitted_at"] - zero, id=row["id"], user=row["user"], team=row["team"] or "none", role=row["role"],
        priority=row["priority"], blocks=row["total_blocks"], preset=preset_of(recipe), block_s=block_s,
        deadline=None if row["deadline"] is None else max(row["submitted_at"], row["deadline"]) - zero,
        start_at=None if row["start_at"] is None else row["start_at"] - zero, follows=row["follows"],
    )  # fmt: skip


def _askable(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Jobs that have asked for a slot, as a trace can have them: each is asked for when the one before it in its session is, or
    later, and follows one that is there and that no later job follows (a part that was cancelled may have lost its turn)."""
    known = {row["id"]: row for row in rows}
    last = {row["follows"]: job_id for job_id, row in known.items()}
    for job_id, row in known.items():
        before = known.get(row["follows"])
        if before is not None and before["is_unapproved"]:
            row["is_unapproved"] = 1
        if row["is_unapproved"]:
            continue
        if before is not None:
            row["submitted_at"] = max(row["submitted_at"], before["submitted_at"])
        yield {**row, "follows": row["follows"] if before is not None and last[row["follows"]] == job_id else ""}


def _pauses(marks: Iterable[dict[str, Any]], asked_at: dict[str, float], until: float) -> Iterator[TracePause]:
    """Pauses that have ended, each with its end: of the jobs of the trace, at the earliest when they were asked for, and of the
    queue."""
    begun: dict[str, float] = {}
    for mark in marks:
        job_id, at = mark["job_id"], mark["at"]
        if mark["event"] in ("job_paused", "queue_paused"):
            begun.setdefault(job_id, at)
        elif (since := begun.pop(job_id, None)) is not None and (job_id in asked_at if job_id else since < until):
            least = asked_at.get(job_id, 0.0)
            yield TracePause(at=max(least, since), event=mark["event"].replace("resumed", "paused"), id=job_id)
            yield TracePause(at=max(least, at), event=mark["event"], id=job_id)


def _faults(rows: Iterator[dict[str, Any]]) -> Iterator[TraceFault]:
    """A loss of a slot that has a worker, and the return after it; the first start of a day is no return."""
    is_lost: dict[int, bool] = {}
    for row in rows:
        slot = row["slot"]
        if row["is_lost"] != is_lost.get(slot, False):
            is_lost[slot] = row["is_lost"]
            yield TraceFault(at=row["at"], event="worker_lost" if row["is_lost"] else "worker_back", slot=slot)
