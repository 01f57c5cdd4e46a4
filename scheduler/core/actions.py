"""What the core asks for. The daemon first commits all `MoveJob`/`Record` of a step in one transaction, then acts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scheduler.core.job import JobState


@dataclass(frozen=True, slots=True)
class Action:
    """Base of all actions."""


# ---- facts: committed together, before any effect -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MoveJob(Action):
    """A job changed state, or a column of it changed (`source == target`). `fields` are the changed columns of `jobs`.

    `tag` is the audit tag (`subject:verb-past`), `body` the audit row's data: reason, the terms of the decision.
    """

    job_id: str
    source: JobState
    target: JobState
    tag: str
    fields: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record(Action):
    """An audit row without a change of a job's columns."""

    tag: str
    subject: str  # "job:<id>", "slot:<n>", "role:<name>", "queue"
    outcome: str = "success"
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refuse(Action):
    """A wish that cannot be granted: nothing changed. Becomes the caller's error."""

    code: str  # "unknown_job", "illegal_move", "nothing_to_consent", …
    message: str
    hint: str = ""
    story: tuple[str, ...] = ()


# ---- effects: done after the commit ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SendRun(Action):
    """Tell the slot's worker to run the job from this block."""

    slot: int
    worker_id: str
    lease_id: str
    job_id: str
    from_block: int
    members: tuple[tuple[int, str], ...] = ()  # (slot, worker) of those that make it together with this one


@dataclass(frozen=True, slots=True)
class SendPreempt(Action):
    """Tell the worker to stop at the next block boundary and keep the context."""

    slot: int
    worker_id: str
    lease_id: str


@dataclass(frozen=True, slots=True)
class SendCancel(Action):
    """Tell the worker to stop at the next block boundary and forget the job."""

    slot: int
    worker_id: str
    lease_id: str


@dataclass(frozen=True, slots=True)
class KillWorker(Action):
    """The worker does not answer (lease expired, grace over): kill it; its loss comes back as an event."""

    slot: int
    worker_id: str
    cause: str


@dataclass(frozen=True, slots=True)
class DropContext(Action):
    """The job has ended: free its context in the vault."""

    job_id: str


@dataclass(frozen=True, slots=True)
class ExpectContext(Action):
    """A job that was begun is to go on here within a block: bring its context, should it have had to leave the device."""

    slot: int
    job_id: str


@dataclass(frozen=True, slots=True)
class ExpectRole(Action):
    """The next part of a session is to begin here within a few blocks: make its role ready between two of them."""

    worker_id: str
    job_id: str


@dataclass(frozen=True, slots=True)
class DropIdleContexts(Action):
    """Memory is short: free the contexts of these waiting jobs. Those of which host memory has no copy will be rebuilt from
    their durable latents."""

    job_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DropCaches(Action):
    """Memory is short: let go of prepared conditions and of files that nobody uses."""
