"""A moment of the core's state, from which any number of copies can be run forward."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from scheduler.core import machine
from scheduler.core.events import JobWasStarted
from scheduler.core.fleet import WorkerState
from scheduler.core.job import Job, JobState
from scheduler.core.policy import Policy
from scheduler.core.state import State, Turn
from scheduler.core.tags import Tag

FOREVER_S = 1e12
_NAMES = tuple(item.name for item in fields(Job))
_OF_LEASE = frozenset({"state", "hold", "slot", "lease_id", "lease_until", "leases"})
_WITH_WORKER = (WorkerState.READY, WorkerState.BUSY, WorkerState.STOPPING)


@dataclass(frozen=True, slots=True)
class HeldSlot:
    """A slot as it was. `job`: place of its job in the snapshot's list, or None."""

    number: int
    has_worker: bool
    drained_for: frozenset[str]
    rests_until: float
    job_id: str | None
    is_started: bool
    leased_blocks: int
    last_role: str | None
    stop_cause: str | None
    lead: int | None
    block_since: float
    block_s: float


class Snapshot:
    """Taken once per forecast; `revive` makes a state of its own each time, which shares nothing with the original."""

    def __init__(self, state: State) -> None:
        self.now = state.now
        self.is_queue_paused = state.is_queue_paused
        self.policy, self._healing = patient(state.policy), state.healing
        self._shares, self._spent = state.shares.copy(), state.spent.copy()
        self._handicaps = dict(state.line.handicaps)
        self._relations = dict(state.relations.pairs())
        self._unavailable = sorted(state.unavailable_roles)
        self._gangs, self._gang_slots = dict(state.gangs), state.gang_slots
        self.slots = [
            HeldSlot(
                slot.number, slot.worker in _WITH_WORKER, frozenset(slot.drained_for), slot.quarantined_until, slot.job_id,
                slot.is_started, slot.leased_blocks, slot.last_role, slot.stop_cause, slot.lead,
                slot.block_since, slot.block_s,
            )
            for slot in state.slots
        ]  # fmt: skip
        ordered = sorted(state.jobs.values(), key=lambda job: job.ordinal)
        self._values = [tuple(getattr(job, name) for name in _NAMES) for job in ordered]
        self.jobs = {job.id: job for job in ordered}  # the originals, only to be looked at while the moment lasts
        self.in_line = {job.id for job in ordered if job.id in state.line}
        self.scheduled = set(state.scheduled)

    def revive(self) -> State:
        """A state like the original's. Leases never run out in it: nobody sends the reports that would renew them."""
        jobs = [Job(*values) for values in self._values]
        for job in jobs:
            if job.state is not JobState.QUEUED:
                job.state, job.hold = JobState.QUEUED, None
        state = State.restore(
            self.policy, len(self.slots), jobs, self._unavailable, self.is_queue_paused, self._relations,
            shares=self._shares.copy(), spent=self._spent.copy(), gangs=self._gangs, gang_slots=self._gang_slots,
            healing=self._healing,
        )  # fmt: skip
        state.line.handicaps = self._handicaps
        state.is_booted, state.now = True, self.now  # nothing was lost, so there is nothing to recover
        for held in self.slots:
            slot = state.slots[held.number]
            slot.drained_for.update(held.drained_for)
            slot.last_role = held.last_role
            if held.job_id is not None:  # the others' workers report themselves when the run begins
                slot.move(WorkerState.READY)
                slot.worker_id = f"w{held.number}"
        for held in self.slots:
            if held.job_id is not None and held.lead is None:
                self._seat(state, held)
        state.is_imagined, state.counts.has_promises = True, self.policy.has_day_limits
        return state

    def _seat(self, state: State, held: HeldSlot) -> None:
        """Give a running job its slot back, with all that was known of its lease."""
        assert held.job_id is not None
        slot, job, original = state.slots[held.number], state.jobs[held.job_id], self.jobs[held.job_id]
        turn = Turn(self.now)
        state.grant(turn, slot, job, {}, [state.slots[other.number] for other in self.slots if other.lead == held.number])
        for name in _NAMES:
            if name not in _OF_LEASE:
                setattr(job, name, getattr(original, name))
        if held.is_started:
            assert slot.lease_id is not None
            machine.step(state, JobWasStarted(at=self.now, lease_id=slot.lease_id, resume="exact"))
        slot.leased_blocks, slot.block_since, slot.block_s = held.leased_blocks, held.block_since, held.block_s
        if held.stop_cause is not None:
            for one in state.slots_of(job):
                one.stop_cause, one.stop_by = held.stop_cause, FOREVER_S
            state.move(turn, job, JobState.PREEMPTING, Tag.JOB_PREEMPTING)


def patient(policy: Policy) -> Policy:
    """The policy without the deadlines that reports of workers would keep."""
    changes: dict[str, Any] = {"lease_s": FOREVER_S, "grace_s": FOREVER_S, "consent_timeout_s": FOREVER_S}
    changes |= {"max_queued": 10**9, "max_queued_per_user": 10**9}  # who may ask for what is decided before
    return replace(policy, **changes)
