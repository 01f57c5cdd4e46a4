"""A store in a folder, jobs in it, and the shortest way to write a transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from scheduler.audit import Actor
from scheduler.core.actions import MoveJob
from scheduler.core.job import JobState
from scheduler.prompts.styles import load_style_book
from scheduler.registry import Role
from scheduler.store import NewJob, Store
from scheduler.store.opening import open_writer

READER = Actor("user:reader", "127.0.0.1", "request-1")
AT = 1_790_000_000.0


@contextmanager
def writer(data_dir: Path) -> Iterator[Store]:
    """An open store, closed at the end."""
    store = open_writer(data_dir)
    try:
        yield store
    finally:
        store.close()


def new_job(number: int = 1, **changes: Any) -> NewJob:
    """A checked request, ready to be accepted."""
    values: dict[str, Any] = {
        "id": f"j{number:012d}", "ordinal": number, "user": "reader", "team": "education", "role": "teacher",
        "role_version": 1, "priority": 10, "degrade": "ask", "total_blocks": 8, "context_bytes": 1_000_000,
        "submitted_at": AT + number, "recipe": {"prompt": "Explain rain", "settings": {"seed": 420}}, **changes,
    }  # fmt: skip
    return NewJob(**values)


def accept(store: Store, number: int = 1, **changes: Any) -> str:
    """Accept a job in its own transaction; returns its id."""
    job = new_job(number, **changes)
    with store.transaction():
        store.insert_job(job, READER, AT)
    return job.id


def move(source: str, target: str, job_id: str = "j000000000001", **fields: Any) -> MoveJob:
    """A move with an ordinary tag."""
    tag = f"job:{target.lower()}" if source != target else "block:finished"
    return MoveJob(job_id, JobState(source), JobState(target), tag, fields, {"reason": "test"})


def go(store: Store, *path: str, job_id: str = "j000000000001", **fields: Any) -> None:
    """Move a job along a path of states, one transaction; the fields go with the last move."""
    with store.transaction():
        for index, (source, target) in enumerate(pairwise(path)):
            last = index == len(path) - 2
            store.move_job(move(source, target, job_id, **(fields if last else {})), READER, AT)


def block(number: int, job_id: str = "j000000000001", **changes: Any) -> dict[str, Any]:
    """A finished block's row."""
    return {
        "job_id": job_id, "block": number, "lease_id": f"{job_id}-1", "frames": 12, "seconds": 0.5,
        "latents_sha256": "a" * 64, "frames_sha256": "b" * 64, "fragment_sha256": "c" * 64, "fragment_bytes": 4000,
        "stage_ms": {"dit": 300.0}, "peak_bytes": 5_000_000, "made_at": AT + number, **changes,
    }  # fmt: skip


def role(name: str = "teacher", **changes: Any) -> Role:
    """A role with checked assets."""
    values: dict[str, Any] = {
        "name": name, "prompt_template": "Explain {topic} to {audience}", "priority": 10, "portrait_sha256": "1" * 64,
        "voice_sha256": "2" * 64, "voice_seconds": 3.2, "image_width": 512, "image_height": 512,
        "book": load_style_book("studio"), "style": "engaging", "defaults": {"audience": "everyone"},
        "pauses": ((1.0, 1.25),), **changes,
    }  # fmt: skip
    return Role(**values)
