"""A store as after years: many jobs that have ended, some that wait; written through the store's own doors."""

from __future__ import annotations

from pathlib import Path

from scheduler.audit import Actor
from scheduler.core.actions import MoveJob
from scheduler.core.job import JobState
from scheduler.store import NewJob, Store
from scheduler.store.opening import open_writer

WAITING = 1_000
PER_TRANSACTION = 1_000
_ACTOR = Actor("system")
_AT = 1_700_000_000.0


def fill_store(data_dir: Path, jobs: int) -> None:
    """Accept so many jobs; all but the last thousand have ended."""
    store = open_writer(data_dir)
    try:
        store.head_interval_s = 60.0
        for first in range(1, jobs + 1, PER_TRANSACTION):
            with store.transaction():
                for number in range(first, min(first + PER_TRANSACTION, jobs + 1)):
                    _accept(store, number, has_ended=number <= jobs - WAITING)
    finally:
        store.close()


def _accept(store: Store, number: int, *, has_ended: bool) -> None:
    job = NewJob(
        id=f"j{number:012d}", ordinal=number, user=f"team-{number % 2000}", team="education", role="teacher", role_version=1,
        priority=10, degrade="never", total_blocks=8, context_bytes=1_000_000, submitted_at=_AT + number,
        recipe={"prompt": "Explain rain", "settings": {"seed": number}},
    )  # fmt: skip
    store.insert_job(job, _ACTOR, _AT + number)
    store.move_job(_move(job.id, JobState.SUBMITTED, JobState.QUEUED, "job:queued"), _ACTOR, _AT + number)
    if has_ended:
        store.move_job(_move(job.id, JobState.QUEUED, JobState.CANCELLED, "job:cancelled"), _ACTOR, _AT + number + 1)


def _move(job_id: str, source: JobState, target: JobState, tag: str) -> MoveJob:
    return MoveJob(job_id, source, target, tag, {}, {"reason": "benchmark"})
