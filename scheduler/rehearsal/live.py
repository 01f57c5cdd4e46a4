"""A live rehearsal: real jobs at preview size against the running studio, bounded in number and time, cleaned up after."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from scheduler.client import Scheduler
from scheduler.core.counted import counted
from scheduler.core.job import FINAL_STATES, JobState
from scheduler.errors import SchedulerError
from scheduler.rehearsal.classes import Ended, by_class, mean, share_of
from scheduler.rehearsal.measured import estimates_of, handover_of, pace_of, spells_of
from scheduler.rehearsal.peaks import Stay, peaks_of
from scheduler.store import Reader

USER = "rehearsal"
PRIORITIES = (5, 10, 40)  # one after the other; the last job of all is urgent
SECONDS = 2.4  # of video: five blocks
POLL_S = 0.25
ENDING_S = 60.0  # what is cancelled reaches its next block and ends; the report waits so long for it
STEPS = 3
PREVIEW = {"cpu": "pocket"}  # the preset that a device can preview with; any other device makes `preview`

Say = Callable[[str], None]


@dataclass(kw_only=True)
class LiveRun:
    """What was submitted and what was seen of it."""

    jobs: list[str] = field(default_factory=list)
    urgent: str | None = None
    peak_bytes: dict[str, int] = field(default_factory=dict)
    cancelled: int = 0
    seconds: float = 0.0
    is_cut_short: bool = False


def check_ready(status: dict[str, Any], reader: Reader, *, may_delay: bool) -> list[str]:
    """Roles to rehearse with. Raises SchedulerError where a rehearsal would fail or delay somebody."""
    if status["queue"]["paused"]:
        raise SchedulerError(409, "queue_paused", "The queue is paused.", hint="Resume it first: role_scheduler queue resume")
    if not any(slot["worker"] is not None and not slot["drained"] for slot in status["slots"]):
        raise SchedulerError(503, "no_slot", "No slot takes work just now.", hint="See: role_scheduler status")
    roles = [row["name"] for row in reader.roles() if row["is_available"]]
    if not roles:
        raise SchedulerError(409, "no_roles", "No role is loaded.", hint="Load some: role_scheduler roles load roles.yaml")
    others = reader.jobs(state="open", per_page=1).total
    if others and not may_delay:
        raise SchedulerError(
            409, "others_wait", f"A live rehearsal would delay {counted(others, 'open job')} of others.",
            hint="Wait until they are done, or say --anyway.",
        )  # fmt: skip
    return roles


def play_live(
    door: Scheduler, reader: Reader, roles: list[str], *, jobs: int, limit_s: float, urgent_priority: int, say: Say
) -> dict[str, Any]:
    """Submit, watch, cancel what is left when the time is over; the report."""
    status = door.status()
    devices = {slot["device"] for slot in status["slots"] if slot["device"]}
    preset = PREVIEW.get(next(iter(sorted(devices)), ""), "preview")
    run, began = LiveRun(), time.monotonic()
    try:
        for number in range(jobs - 1):
            request = _request(roles[number % len(roles)], preset, PRIORITIES[number % len(PRIORITIES)])
            run.jobs.append(str(door.submit(request)["id"]))
        say(f"{counted(len(run.jobs), 'job')} submitted; an urgent one follows when they run")
        _watch(run, door, reader, began + limit_s, lambda: _request(roles[-1], preset, urgent_priority))
    finally:
        run.cancelled = _clean_up(run, door, reader)
        run.seconds = round(time.monotonic() - began, 1)
    return _report(run, reader, len(status["slots"]), preset, urgent_priority)


def _request(role: str, preset: str, priority: int) -> dict[str, Any]:
    return {
        "user": USER, "role": role, "preset": preset, "duration_sec": SECONDS, "priority": priority, "steps": STEPS,
        "degrade": "allow",
    }  # fmt: skip


def _watch(run: LiveRun, door: Scheduler, reader: Reader, until: float, urgent: Callable[[], dict[str, Any]]) -> None:
    """Until all have ended or the time is over. The urgent one comes once a block of another is done."""
    while time.monotonic() < until:
        rows = [reader.job(job_id) for job_id in run.jobs]
        states = [JobState(row["state"]) for row in rows if row is not None]
        is_warm = any(row is not None and row["blocks_done"] > 0 for row in rows)
        if run.urgent is None and (is_warm or all(state in FINAL_STATES for state in states)):
            run.urgent = str(door.submit(urgent())["id"])
            run.jobs.append(run.urgent)
        for sample in reader.latest_samples():
            used = sample.get("memory_used_bytes")
            if used is not None:
                run.peak_bytes[sample["device"]] = max(used, run.peak_bytes.get(sample["device"], 0))
        if run.urgent is not None and all(state in FINAL_STATES for state in states) and len(states) == len(run.jobs):
            return
        time.sleep(POLL_S)
    run.is_cut_short = True


def _clean_up(run: LiveRun, door: Scheduler, reader: Reader) -> int:
    """Nothing of the rehearsal stays in the queue."""
    count = 0
    for job_id in run.jobs:
        row = reader.job(job_id)
        if row is not None and row["state"] not in FINAL_STATES:
            door.cancel(job_id)
            count += 1
    until = time.monotonic() + ENDING_S
    while not _have_ended(run, reader) and time.monotonic() < until:
        time.sleep(POLL_S)
    return count


def _have_ended(run: LiveRun, reader: Reader) -> bool:
    rows = [reader.job(job_id) for job_id in run.jobs]
    return all(row is None or row["state"] in FINAL_STATES for row in rows)


def _report(run: LiveRun, reader: Reader, slots: int, preset: str, urgent_priority: int) -> dict[str, Any]:
    rows = [row for job_id in run.jobs if (row := reader.job(job_id)) is not None]
    zero = min(row["submitted_at"] for row in rows)
    stays = [_stay(reader, row, zero, run.seconds) for row in rows]
    last = max((until for stay in stays for _, until in stay.spells), default=0.0)
    held_s = sum(until - since for stay in stays for since, until in stay.spells)
    block_s = pace_of(reader, run.jobs)
    ended = [_ended(row, stay) for row, stay in zip(rows, stays, strict=True)]
    waits = sorted(one.wait_s for one in ended if one.wait_s is not None)
    states = [row["state"] for row in rows]
    urgent = next((row for row in rows if row["id"] == run.urgent), None)
    return {
        "kind": "live", "day": counted(len(rows), "job"), "seed": None, "slots": slots, "preset": preset, "faults": 0,
        "totals": {
            "jobs": len(rows), "succeeded": states.count("SUCCEEDED"), "failed": states.count("FAILED"),
            "rejected": states.count("REJECTED"), "cancelled": run.cancelled, "mean_wait_s": mean(waits),
            "p50_wait_s": share_of(waits, 0.5), "p99_wait_s": share_of(waits, 0.99),
            "preemptions": sum(row["preemptions"] for row in rows), "workers_lost": sum(row["crashes"] for row in rows),
            "utilisation": round(held_s / (slots * last), 3) if last else None,
            "degraded": sum(bool(row["rungs"]) for row in rows), "seconds": run.seconds,
        },
        "classes": by_class(ended, urgent_priority),
        "peaks": {**peaks_of(stays, slots), "memory_used_bytes": run.peak_bytes},
        **({} if block_s is None else {"block_s": block_s, "block_s_basis": "measured in it"}),
        "estimates": estimates_of(reader, rows),
        "is_cut_short": run.is_cut_short, "suggestions": [],
        "urgent_job": None if urgent is None else handover_of(reader, urgent, block_s),
        "jobs": [
            {
                "id": row["id"], "role": row["role"], "priority": row["priority"], "state": row["state"], "wait_s": one.wait_s,
                "preemptions": row["preemptions"], "rungs": row["rungs"],
            }
            for row, one in zip(rows, ended, strict=True)
        ],
    }  # fmt: skip


def _ended(row: dict[str, Any], stay: Stay) -> Ended:
    """It waited until a slot was given, as in a simulated rehearsal: what its worker prepares is told apart."""
    wait_s = round(max(0.0, stay.spells[0][0] - stay.at), 3) if stay.spells else None  # the log's times are cut, not rounded
    return Ended(priority=row["priority"], wait_s=wait_s, preemptions=row["preemptions"], is_done=row["state"] == "SUCCEEDED")


def _stay(reader: Reader, row: dict[str, Any], zero: float, seconds: float) -> Stay:
    """Seconds since the first submission."""
    end = row["finished_at"]
    spells = spells_of(reader, row["id"], end if end is not None else zero + seconds)
    return Stay(
        id=row["id"], user=row["user"], team=row["team"] or "", role=row["role"], at=row["submitted_at"] - zero,
        ended_at=None if end is None else end - zero,
        spells=tuple((since - zero, until - zero) for since, until in spells),
    )  # fmt: skip
