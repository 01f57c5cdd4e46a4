"""Before somebody changes the order: who would be passed, who would have to give way. By the core's own rules, on a copy."""

from __future__ import annotations

import dataclasses
from typing import Any

from dashboard import formats, i18n
from dashboard.context import house
from dashboard.estimates import forecasts
from dashboard.reads import Reads, Row
from scheduler.client import SchedulerError
from scheduler.clock import house_now
from scheduler.core.fleet import WorkerState
from scheduler.core.job import Job, JobState
from scheduler.core.policy import Policy
from scheduler.core.preemption import choose_victim
from scheduler.core.state import State
from scheduler.store.job_reads import core_job

NAMED = 8  # of those who are passed


def of_priority(reads: Reads, row: Row, priority: int | None) -> dict[str, Any]:
    """What another priority would do. None: the lowest that brings the job to the front without stopping anybody's.

    `words`: sentences in the reader's language; `passed`: jobs that would stand further back, with their places.
    """
    policy, job, jobs = reads.policy(), core_job(row), reads.store.waiting_jobs()
    before = reads.places(reads.in_order(jobs))
    wanted = _front(reads, policy, job, jobs) if priority is None else priority
    changed = dataclasses.replace(job, priority=wanted)
    after = reads.places(reads.in_order([changed if other.id == job.id else other for other in jobs]))
    moved = {other.id: (before[other.id][0], after[other.id][0]) for other in jobs if other.id in before and other.id in after}
    passed = [other for other in jobs if other.id != job.id and _is_later(moved.get(other.id))]
    victim = _victim(reads, policy, changed) if job.state is JobState.QUEUED else None
    found = {
        "id": job.id, "priority": wanted, "from_priority": job.priority, "place": before.get(job.id), "then": after.get(job.id),
        "passed_count": len(passed), "gives_way": victim,
        "passed": [
            {"id": other.id, "role": other.role, "user": other.user, "from": moved[other.id][0], "to": moved[other.id][1]}
            for other in sorted(passed, key=lambda one: moved[one.id][0])[:NAMED]
        ],
    }  # fmt: skip
    found["moved"] = _moved(job, wanted)
    return {**found, "words": _words(found, policy)}


def _moved(job: Job, wanted: int) -> list[Row] | None:
    """Whose end would move and by how much, as forecast; None where nobody can tell just now."""
    if wanted == job.priority:
        return []
    try:
        changes: list[Row] = forecasts().reorder(job.id, wanted)["changes"]
    except SchedulerError:
        return None
    return changes


def _is_later(places: tuple[int, int] | None) -> bool:
    return places is not None and places[1] > places[0]


def _front(reads: Reads, policy: Policy, job: Job, jobs: list[Job]) -> int:
    """The lowest priority, below urgent, with which no other job in line stands before it; else the highest such."""
    low, high = job.priority, policy.urgent_priority - 1
    if high <= low:
        return low
    while low < high:
        middle = (low + high) // 2
        changed = dataclasses.replace(job, priority=middle)
        order = reads.in_order([changed if other.id == job.id else other for other in jobs])
        if order and order[0].id == job.id:
            high = middle
        else:
            low = middle + 1
    return low


def _victim(reads: Reads, policy: Policy, waiter: Job) -> Row | None:
    """The job that would have to stop for it, as if every running one had made the blocks that a lease must make.

    When present blocks end is reckoned from the blocks that the store has.
    """
    running = [core_job(row) for row in reads.store.running() if row["slot"] is not None]
    state = State(policy, 1 + max((job.slot for job in running if job.slot is not None), default=0))
    for job in running:
        assert job.slot is not None
        slot = state.slots[job.slot]
        slot.worker, slot.job_id, slot.role = WorkerState.BUSY, job.id, job.role
        slot.leased_blocks, slot.is_started = policy.min_run_blocks, job.state is not JobState.LEASED
        slot.block_since, slot.block_s = reads.store.pace_of(job)
        state.jobs[job.id] = job
    chosen = choose_victim(state, waiter, state.slots, house_now())
    if chosen is None or waiter.state is not JobState.QUEUED:
        return None
    _, victim, terms = chosen
    return {"id": victim.id, "role": victim.role, "user": victim.user, "blocks_done": victim.blocks_done,
            "total_blocks": victim.total_blocks, "rule": terms["rule"], "min_blocks": policy.min_run_blocks}  # fmt: skip


def _words(found: dict[str, Any], policy: Policy) -> list[str]:
    words = [i18n.words("preview.priority", before=found["from_priority"], after=found["priority"])]
    if found["place"] and found["then"]:
        key = "preview.place" if found["place"] != found["then"] else "preview.same_place"
        words.append(i18n.words(key, before=found["place"][0], after=found["then"][0], of=found["then"][1]))
    if found["passed_count"]:
        words.append(i18n.words("preview.passes", count=found["passed_count"]))
        words += [i18n.words("preview.passed", **one) for one in found["passed"]]
    else:
        words.append(i18n.words("preview.passes_nobody"))
    if found["gives_way"]:
        words.append(i18n.words("preview.gives_way", **{k: v for k, v in found["gives_way"].items() if k != "rule"}))
        words.append(i18n.words("preview.keeps"))
    else:
        words.append(i18n.words("preview.stops_nobody"))
    if found["moved"] is None:
        words.append(i18n.words("preview.not_forecast"))
    for one in (found["moved"] or [])[:NAMED]:
        key = "preview.later" if one["moved_s"] > 0 else "preview.sooner"
        zone = formats.zone_of(house().settings.zone)
        data = {"by": formats.duration(round(abs(one["moved_s"]))), "at": formats.hour(one["finish"], zone)}
        words.append(i18n.words(key, role=one["role"], user=one["user"], id=one["job"], **data))
    return words
