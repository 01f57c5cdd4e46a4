"""A job's life in stretches (judged, waited, prepared, made, between, closed), and what the computing of its blocks went into."""

from __future__ import annotations

from typing import Any

from scheduler.clock import house_now
from scheduler.core.job import FINAL_STATES, JobState

Row = dict[str, Any]
_ORDER = ("audio", "sink", "steps", "denoise", "decode", "encode")


def stages(sums: list[Row], blocks: int, measuring_s: float | None = None) -> list[Row]:
    """What the computing time went into, in the order of the work: name, seconds altogether, milliseconds per block, share in
    percent.

    `measuring_s`: of the finished video's scores, once somebody tried: the last stage, `quality`, which has no blocks.
    """
    ordered = sorted(sums, key=lambda stage: _ORDER.index(stage["name"]) if stage["name"] in _ORDER else len(_ORDER))
    spent = [{"name": stage["name"], "seconds": stage["ms"] / 1000, "ms": stage["ms"] / blocks} for stage in ordered]
    if measuring_s is not None:
        spent.append({"name": "quality", "seconds": measuring_s, "ms": None})
    whole = sum(stage["seconds"] for stage in spent)
    return [{**stage, "share": 100 * stage["seconds"] / whole} for stage in spent if whole]


def phases(job: Row, span: Row, computing_s: float, now: float | None = None) -> list[Row]:
    """Stretches of the time since submission, in order, each with seconds and share in percent; those of nothing left out.

    `span`: of `block_span`. `between`: neither waiting at first nor making blocks: it gave way, was paused, lost its worker,
    or its next block is on the way. `prepared`: from when a worker was given the job, where that happened once only; a worker
    that is new may take half a minute to warm up.
    """
    end = job["finished_at"] or (house_now() if now is None else now)
    begun, first, last = job["started_at"], span["first_at"], span["last_at"]
    is_ended = job["state"] in FINAL_STATES
    asked = (job["approved_at"] or begun or end) if job["preview"] else job["submitted_at"]
    is_with_one = job.get("leases") == 1 and (begun is not None or job["state"] == JobState.LEASED)
    taken = job["leased_at"] if is_with_one and job["leased_at"] else begun
    found = {"judged": asked - job["submitted_at"], "waited": (taken or end) - asked}
    if taken is not None:
        found["prepared"] = (end if first is None else first - span["first_s"]) - taken
    if first is not None:
        found["made"] = computing_s
        found["between"] = (last - first + span["first_s"]) - computing_s + (0.0 if is_ended else end - last)
        found["closed"] = end - last if is_ended else 0.0
    shown = {name: seconds for name, seconds in found.items() if seconds >= 0.005}
    whole = sum(shown.values())
    return [{"name": name, "seconds": seconds, "share": 100 * seconds / whole} for name, seconds in shown.items()]
