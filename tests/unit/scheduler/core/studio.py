"""The core with its hand held: short words for events, invariants checked after each one."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from scheduler.core import events
from scheduler.core.actions import Action, MoveJob, Record, Refuse
from scheduler.core.invariants import check_invariants
from scheduler.core.job import Job, JobState
from scheduler.core.machine import State, step
from scheduler.core.policy import Policy
from scheduler.core.tags import Tag

A = TypeVar("A", bound=Action)


class Studio:
    """A state, a clock and the last event's actions."""

    def __init__(self, slots: int = 1, are_ready: bool = True, state: State | None = None, **policy: Any) -> None:
        self.at = 1_000.0
        self.state = state or State(Policy(**policy), slots)
        self.actions: list[Action] = []
        self.ordinal = self.state.last_ordinal
        if are_ready:
            for slot in range(slots):
                self.ready(slot)

    def feed(self, event: events.Event) -> list[Action]:
        """Let it happen, check everything, keep its actions."""
        self.actions = step(self.state, event)
        for action in self.all(MoveJob) + self.all(Record):
            json.dumps(action.body)  # the audit row's data
            assert action.tag in set(Tag)
        if self.state.is_booted:
            check_invariants(self.state)
        return self.actions

    def submit(self, job_id: str, **overrides: Any) -> list[Action]:
        """A plain job: user reader, role teacher, priority 10, eight blocks."""
        self.ordinal += 1
        values: dict[str, Any] = {
            "user": "education-team", "team": "education", "role": "teacher", "priority": 10, "total_blocks": 8,
            "context_bytes": 1 << 20, "degrade": "ask",
        } | overrides  # fmt: skip
        return self.feed(events.JobSubmitted(at=self.at, job_id=job_id, ordinal=self.ordinal, **values))

    def ready(self, slot: int = 0, worker_id: str | None = None) -> list[Action]:
        """A worker becomes ready."""
        return self.feed(events.WorkerBecameReady(at=self.at, slot=slot, worker_id=worker_id or f"w{slot}"))

    def lose(self, slot: int = 0, cause: str = "exited") -> list[Action]:
        """The slot's worker is lost."""
        worker_id = self.state.slots[slot].worker_id or "nobody"
        return self.feed(events.WorkerWasLost(at=self.at, slot=slot, worker_id=worker_id, cause=cause))

    def tick(self, seconds: float) -> list[Action]:
        """Time passes."""
        self.at += seconds
        return self.feed(events.TimePassed(at=self.at))

    def start(self, job_id: str, blocks: int = 0) -> None:
        """The job's worker begins and makes some blocks."""
        self.feed(events.JobWasStarted(at=self.at, lease_id=self.lease(job_id), resume="fresh"))
        self.make(job_id, blocks)

    def make(self, job_id: str, blocks: int) -> None:
        """The job's worker makes the next blocks."""
        for _ in range(blocks):
            self.feed(events.BlockWasDone(at=self.at, lease_id=self.lease(job_id), block=self.job(job_id).blocks_done))

    def stop(self, job_id: str) -> list[Action]:
        """The job's worker has stopped at a block boundary."""
        done = self.job(job_id).blocks_done
        return self.feed(events.JobWasPreempted(at=self.at, lease_id=self.lease(job_id), blocks_done=done))

    def finish(self, job_id: str) -> list[Action]:
        """The job's worker makes all blocks that are left and the video."""
        if self.job(job_id).state is JobState.LEASED:
            self.start(job_id)
        self.make(job_id, self.job(job_id).total_blocks - self.job(job_id).blocks_done)
        return self.feed(events.JobHasSucceeded(at=self.at, lease_id=self.lease(job_id)))

    def fail(self, job_id: str, can_retry: bool = True, code: str = "engine_error") -> list[Action]:
        """The job's worker gives up."""
        lease_id = self.lease(job_id)
        return self.feed(events.JobHasFailed(at=self.at, lease_id=lease_id, code=code, can_retry=can_retry))

    def cancel(self, job_id: str) -> list[Action]:
        """Somebody cancels."""
        return self.feed(events.CancelRequested(at=self.at, job_id=job_id))

    def pause(self, job_id: str) -> list[Action]:
        """Somebody pauses."""
        return self.feed(events.PauseRequested(at=self.at, job_id=job_id))

    def resume(self, job_id: str) -> list[Action]:
        """Somebody resumes."""
        return self.feed(events.ResumeRequested(at=self.at, job_id=job_id))

    def role(self, name: str, is_available: bool = True, **relations: Any) -> list[Action]:
        """A role changes."""
        return self.feed(events.RoleChanged(at=self.at, role=name, is_available=is_available, **relations))

    def job(self, job_id: str) -> Job:
        """An open job."""
        return self.state.jobs[job_id]

    def lease(self, job_id: str) -> str:
        """The lease that is held on a job now."""
        lease_id = self.job(job_id).lease_id
        assert lease_id is not None
        return lease_id

    def running(self) -> list[str]:
        """Jobs that slots hold, by slot."""
        return [slot.job_id or "-" for slot in self.state.slots]

    def only(self, kind: type[A]) -> A:
        """The one action of this kind of the last event."""
        (found,) = self.all(kind)
        return found

    def all(self, kind: type[A]) -> list[A]:
        """The actions of this kind of the last event."""
        return [action for action in self.actions if isinstance(action, kind)]

    def tags(self) -> list[str]:
        """Tags of the last event's facts, in order, without those of heals."""
        tags = [str(action.tag) for action in self.actions if isinstance(action, (MoveJob, Record))]
        return [tag for tag in tags if not tag.startswith(("fault:", "heal:"))]

    def heals(self) -> list[tuple[str, str]]:
        """(tag, fault) of the last event's heals, in order."""
        return [(str(a.tag), a.body["fault"]) for a in self.all(Record) if str(a.tag).startswith(("fault:", "heal:"))]

    def refusal(self) -> Refuse:
        """The last event must have been refused, and nothing else."""
        assert len(self.actions) == 1
        return self.only(Refuse)
