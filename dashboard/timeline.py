"""Who runs when: what each slot did lately, and what is expected of every open job, as places on one time axis.

Places are percent of the axis' width, so that the drawing needs no size of its own. The past is what the log says; the
future is the forecast: a bar from the middle of the start to the middle of the finish, and a thin line over 80 % of what may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dashboard.expectations import begins
from dashboard.healing import seconds
from dashboard.reads import Reads, Row
from scheduler.clock import house_now

STARTED = "job:started"
ENDED = ("job:preempted", "job:recovered", "job:retried", "job:succeeded", "job:failed", "job:cancelled", "job:queued")
MOST_DEEDS, MOST_WAITING = 600, 30
LEAST_AHEAD_S, MOST_AHEAD_S = 180.0, 12 * 3600.0
PAST_SHARE, TICKS = 0.4, 6
CLOSE = 6  # percent; a time so near the word "now" would be hidden by it
TICK_STEPS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)  # seconds


@dataclass(frozen=True)
class Bar:
    """A stretch of a lane. `kind`: past, ended, now, middle (p50 to p50) or range (p10 to p90)."""

    kind: str
    left: float
    width: float
    job: Row
    since: float
    until: float


@dataclass(frozen=True)
class Lane:
    """One line of the drawing: a slot, or a job that waits."""

    name: str
    job: Row | None
    bars: list[Bar] = field(default_factory=list)


@dataclass(frozen=True)
class Timeline:
    """The whole drawing. `ticks`: (percent, seconds since 1970)."""

    since: float
    until: float
    now_at: float
    slots: list[Lane]
    waiting: list[Lane]
    ticks: list[tuple[float, float]]


def draw(reads: Reads, slots: list[Row], waiting: list[Row], told: Mapping[str, Any], now: float | None = None) -> Timeline:
    """`waiting`: queued jobs, best first; `told`: of the forecaster, by job id."""
    at = house_now() if now is None else now
    known = {job_id: one["estimate"] for job_id, one in told.items() if one.get("estimate")}
    shown = waiting[:MOST_WAITING]
    open_ids = [job["id"] for job in shown] + [slot["job_id"] for slot in slots if slot.get("job_id")]
    ends = sorted(known[job_id]["finish"][2] for job_id in open_ids if job_id in known)
    ahead = min(MOST_AHEAD_S, max(LEAST_AHEAD_S, (ends[-1] - at) * 1.05 if ends else 0.0))
    since, until = at - ahead * PAST_SHARE / (1 - PAST_SHARE), at + ahead
    runs = _runs(reads, since, at)
    jobs = {job["id"]: job for job in reads.jobs_by_id(list({run["job_id"] for run in runs} | set(open_ids)))}

    def bar(kind: str, job_id: str, first: float, last: float) -> Bar:
        left = place(first, since, until)
        return Bar(kind, left, round(max(0.0, place(last, since, until) - left), 3), jobs[job_id], first, last)

    lanes = []
    for slot in slots:
        mine = [run for run in runs if run["slot"] == slot["slot"] and run["job_id"] in jobs]
        bars = [bar("now" if run["is_open"] else "past", run["job_id"], run["since"], run["until"]) for run in mine]
        job_id = slot.get("job_id")
        if job_id in known and job_id in jobs:
            finish = known[job_id]["finish"]
            bars += [bar("range", job_id, at, finish[2]), bar("middle", job_id, at, max(at, finish[1]))]
        lanes.append(Lane(str(slot["slot"]), jobs.get(job_id), bars))
    queue = [Lane(job["id"], job, _expected(known.get(job["id"]), bar, job["id"], at)) for job in shown if job["id"] in jobs]
    now_at = place(at, since, until)
    ticks = [tick for tick in ticks_of(since, until) if abs(tick[0] - now_at) > CLOSE]
    return Timeline(since, until, now_at, lanes, queue, ticks)


def _expected(estimate: Row | None, bar: Any, job_id: str, at: float) -> list[Bar]:
    if estimate is None:
        return []
    start, finish = begins(estimate), estimate["finish"]
    if start[2] <= at:  # it has begun since it was foretold
        return [bar("range", job_id, max(at, finish[0]), finish[2]), bar("middle", job_id, finish[1], finish[1])]
    first = max(at, start[0])
    return [bar("range", job_id, first, finish[2]), bar("middle", job_id, max(at, start[1]), max(at, finish[1]))]


def _runs(reads: Reads, since: float, now: float) -> list[Row]:
    """Stretches that jobs spent on slots: job_id, slot, since, until, is_open; in order."""
    deeds = reads.store.last_of_actions((STARTED, *ENDED), MOST_DEEDS)[::-1]
    running = {job["id"] for job in reads.running()}
    at_work: dict[str, Row] = {}
    found = []
    for deed in deeds:
        job_id, at = deed["object"].partition(":")[2], seconds(deed["at_utc"])
        if (run := at_work.pop(job_id, None)) is not None:
            found.append({**run, "until": at, "is_open": False})
        if deed["action"] == STARTED and deed["body"].get("slot") is not None:
            at_work[job_id] = {"job_id": job_id, "slot": deed["body"]["slot"], "since": at}
    found += [{**run, "until": now, "is_open": True} for job_id, run in at_work.items() if job_id in running]
    return [{**run, "since": max(since, run["since"])} for run in found if run["until"] > since]


def place(at: float, since: float, until: float) -> float:
    """Percent of the axis' width, never outside it."""
    return round(100 * min(1.0, max(0.0, (at - since) / (until - since))), 3)


def ticks_of(since: float, until: float) -> list[tuple[float, float]]:
    """At most six round times on the axis: (percent, seconds since 1970)."""
    step = next((step for step in TICK_STEPS if (until - since) / step <= TICKS), TICK_STEPS[-1])
    first = int(since // step + 1) * step
    return [(place(at, since, until), float(at)) for at in range(first, int(until), step)]


def promised(told: Mapping[str, Any], slots: int, now: float, ahead_s: float = 1800.0) -> float | None:
    """Percent of the slots' next half hour that open jobs are expected to take; None without slots or forecasts."""
    known = [one["estimate"] for one in told.values() if one.get("estimate")]
    if not slots or (told and not known):
        return None
    spans = ((max(now, begins(one)[1]), min(now + ahead_s, one["finish"][1])) for one in known)
    return min(100.0, 100 * sum(max(0.0, end - begin) for begin, end in spans) / (slots * ahead_s))
