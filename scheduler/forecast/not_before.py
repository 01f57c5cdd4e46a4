"""What is known of a wait beforehand: the time that was reserved, the end of maintenance. Only the rest is to be foretold."""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.core.fleet import Slot
from scheduler.core.job import Job, JobState
from scheduler.core.maintenance import CAUSE, closes_at
from scheduler.forecast.snapshot import HeldSlot, Snapshot


def open_slots(slots: Iterable[Slot | HeldSlot]) -> list[int]:
    """Numbers of those that take work, if only after maintenance. A slot drained by hand or for a fault comes back in no future:
    nobody knows when."""
    return [slot.number for slot in slots if slot.drained_for <= {CAUSE}]


def known_wait_s(snapshot: Snapshot, job: Job) -> float:
    """Seconds from the snapshot before which the job begins (or goes on) in no future; 0 for one that is on a slot."""
    if job.state in (JobState.LEASED, JobState.RUNNING):
        return 0.0
    return _opens_at(snapshot, max(snapshot.now, _reserved_at(snapshot, job))) - snapshot.now


def _reserved_at(snapshot: Snapshot, job: Job) -> float:
    """The time reserved for it, or for the first part of its session, while that has not begun."""
    while job.follows and (before := snapshot.jobs.get(job.follows)) is not None:
        job = before
    return job.start_at if job.start_at is not None and job.id in snapshot.scheduled else 0.0


def _opens_at(snapshot: Snapshot, at: float) -> float:
    """The first time from `at` on when a slot is in no maintenance window; `at` where people drained all of them."""
    return min((closes_at(snapshot.policy.windows, slot, at) or at for slot in open_slots(snapshot.slots)), default=at)
