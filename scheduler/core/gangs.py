"""Gangs: jobs that want several slots at once.

A gang takes all its slots in one step or none, so no two gangs ever hold what the other waits for. The first gang in line
that lacks slots has the idle ones kept for it: others play there in the meantime only if, by what is predicted, they end
before the gang could begin, or if slots are left over then. It stops others only where this gives it all it lacks. It gives
way, and is lost, as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from scheduler.core.actions import KillWorker
from scheduler.core.fleet import Slot, WorkerState
from scheduler.core.job import Job
from scheduler.core.preemption import choose_victim
from scheduler.core.state import State, Turn
from scheduler.core.tags import Tag

BROKEN = "gang_broken"  # why the workers of a gang are stopped that has lost one: they wait for it for ever
_SERVING = (WorkerState.READY, WorkerState.BUSY)

Victim = tuple[Slot, Job, dict[str, Any]]


@dataclass(slots=True)
class Kept:
    """Idle slots are kept for a gang until a predicted time; `spare` slots are left over then."""

    job_id: str
    until: float
    spare: int

    def lets_play(self, job: Job, width: int, at: float) -> bool:
        """May the job have idle slots before the gang? One that would not be done by then uses up what is left over."""
        if at + job.seconds_left <= self.until:
            return True
        self.spare -= width
        if self.spare >= 0:
            return True
        self.spare += width
        return False


def can_assemble(state: State, width: int) -> bool:
    """Are there so many slots with a worker that takes work, whatever they do now?"""
    return sum(slot.worker in _SERVING and not slot.is_drained for slot in state.slots) >= width


def victims_for(state: State, gang: Job, lacking: int, slots: Sequence[Slot], at: float) -> list[Victim]:
    """Jobs whose slots make up for what is lacking; none at all where they would not."""
    found: list[Victim] = []
    left = list(slots)
    while lacking > 0:
        chosen = choose_victim(state, gang, left, at)
        if chosen is None:
            return []
        found.append(chosen)
        freed = state.slots_of(chosen[1])
        lacking -= sum(not slot.is_drained for slot in freed)
        left = [slot for slot in left if slot not in freed]
    return found


def keep_for(state: State, gang: Job, free: int, begins: Iterable[tuple[Job, int]], at: float) -> Kept:
    """From when on the gang could begin, by the predicted ends of what runs.

    `free`: slots that it need not wait for; `begins`: jobs that begin just now, with the number of their slots.
    """
    width, until = state.width_of(gang.id), at
    ends = [*_ends(state, at), *((at + job.seconds_left, slots) for job, slots in begins)]
    for ends_at, slots in sorted(ends):
        if free >= width:
            break
        free, until = free + slots, ends_at
    return Kept(gang.id, until, max(0, free - width))


def _ends(state: State, at: float) -> Iterator[tuple[float, int]]:
    for lease_id, slot in state.leases.items():
        assert slot.job_id is not None, lease_id
        job = state.jobs[slot.job_id]
        usable = sum(held.worker is WorkerState.BUSY and not held.is_drained for held in state.slots_of(job))
        if usable and not slot.is_vacating:
            yield at + job.seconds_left, usable


def order_kill(state: State, turn: Turn, slot: Slot, cause: str) -> None:
    """Order the kill of the slot's worker, and of those that work with it: none of them can go on alone."""
    _order(turn, slot, cause)
    break_up(state, turn, slot)


def break_up(state: State, turn: Turn, slot: Slot) -> None:
    """The slot's worker is gone or will be: those that make the same video with it are stopped, and start afresh."""
    if slot.job_id is not None and slot.job_id in state.gangs:
        for other in state.slots_of(state.jobs[slot.job_id]):
            if other is not slot and other.worker is WorkerState.BUSY:
                _order(turn, other, BROKEN)


def _order(turn: Turn, slot: Slot, cause: str) -> None:
    assert slot.worker_id is not None
    slot.move(WorkerState.STOPPING)
    slot.kill_cause = cause
    body = {"worker_id": slot.worker_id, "cause": cause, "job_id": slot.job_id, "lease_id": slot.lease_id}
    turn.record(Tag.WORKER_KILL_ORDERED, f"slot:{slot.number}", body)
    turn.effects.append(KillWorker(slot.number, slot.worker_id, cause))
