"""What the core knows of slots and their workers, and the one table of legal worker moves."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from scheduler.core.ladder import Rung


class WorkerState(StrEnum):
    """States of the worker that serves a slot."""

    STOPPED = "STOPPED"  # none there
    STARTING = "STARTING"  # imports and warms up
    READY = "READY"  # warm, without a job
    BUSY = "BUSY"  # holds a lease
    STOPPING = "STOPPING"  # its kill is ordered; its loss comes back as an event
    QUARANTINED = "QUARANTINED"  # lost too many workers in a row; takes no work for a while


W = WorkerState

LEGAL_WORKER_MOVES: dict[WorkerState, frozenset[WorkerState]] = {
    W.STOPPED: frozenset({W.STARTING, W.READY, W.QUARANTINED}),
    W.STARTING: frozenset({W.READY, W.STOPPED}),
    W.READY: frozenset({W.BUSY, W.STOPPING, W.STOPPED}),
    W.BUSY: frozenset({W.READY, W.STOPPING, W.STOPPED}),
    W.STOPPING: frozenset({W.STOPPED}),
    W.QUARANTINED: frozenset({W.READY, W.STOPPED}),
}


@dataclass(slots=True)
class Slot:
    """A slot, its worker and the lease it holds. Times are seconds on the events' clock."""

    number: int
    worker: WorkerState = WorkerState.STOPPED
    worker_id: str | None = None
    drained_for: set[str] = field(default_factory=set)  # why it takes no new work: "person", "thermal", "gpu_lost" …
    strikes: int = 0  # workers lost in a row without a finished block
    quarantined_until: float = 0.0
    last_role: str | None = None  # what its worker played or made ready last: its conditions are warm
    # the lease
    job_id: str | None = None
    role: str | None = None
    lead: int | None = None  # another slot plays the same job with this one and speaks for both: its number
    lease_id: str | None = None
    lease_until: float = 0.0
    rungs: str = ""  # the setting that the lease is made at; its job may have another one for afterwards
    is_started: bool = False  # the worker said that it has begun
    block_since: float = 0.0  # when its present block began; it and `block_s` mean nothing before `is_started`
    block_s: float = 0.0  # seconds that a block takes here, the mean of what was predicted and of those of this lease
    leased_blocks: int = 0  # new blocks under this lease
    slow_blocks: int = 0  # in a row, under this lease
    ladder: tuple[Rung, ...] = ()  # what its job could give up; known once the job has begun
    # "preempted", "paused", "cancelled", "degraded", "eased", "restored" or "maintenance" once it was asked to stop
    stop_cause: str | None = None
    stop_by: float = 0.0  # end of the grace, when it was asked to stop
    kill_cause: str | None = None  # why the worker's kill was ordered
    is_older_than_relations: bool = False  # its job played already when a relation was declared; it plays on

    @property
    def is_drained(self) -> bool:
        """Does it take no new work, for whatever reason?"""
        return bool(self.drained_for)

    def move(self, target: WorkerState) -> None:
        """Change the worker's state along the table; anything else is a broken invariant."""
        assert target in LEGAL_WORKER_MOVES[self.worker], f"slot {self.number}: {self.worker} → {target} is not legal"
        self.worker = target

    @property
    def is_idle(self) -> bool:
        """May it be given a job now?"""
        return self.worker is WorkerState.READY and not self.is_drained

    @property
    def is_vacating(self) -> bool:
        """Will it be free at the next block boundary, without any further decision?"""
        is_coming_back = self.stop_cause in ("degraded", "restored", "eased")  # its job keeps the slot
        is_stopping = self.stop_cause is not None and not is_coming_back
        return is_stopping and self.worker is WorkerState.BUSY and not self.is_drained

    def take(
        self, job_id: str, role: str, lease_id: str, lease_until: float, lead: int | None = None, rungs: str = ""
    ) -> None:
        """Hold a lease, alone or behind another slot."""
        self.move(WorkerState.BUSY)
        self.rungs = rungs
        self.job_id, self.role, self.lease_id, self.lease_until = job_id, role, lease_id, lease_until
        self.lead = lead
        self.last_role = role
        self.is_started, self.leased_blocks, self.is_older_than_relations = False, 0, False
        self.stop_cause, self.stop_by, self.slow_blocks, self.ladder = None, 0.0, 0, ()

    def free(self) -> None:
        """Hold no lease any more; the worker stays (READY), or is on its way out."""
        self.job_id = self.role = self.lease_id = self.lead = None
        self.stop_cause, self.stop_by, self.is_started, self.ladder = None, 0.0, False, ()
        if self.worker is WorkerState.BUSY:
            self.move(WorkerState.READY)

    def lose_worker(self) -> None:
        """The worker is gone; the lease must have been freed before."""
        assert self.job_id is None, f"slot {self.number} still holds {self.job_id}"
        self.worker_id = self.kill_cause = self.last_role = None
        if self.worker not in (WorkerState.STOPPED, WorkerState.QUARANTINED):
            self.move(WorkerState.STOPPED)
