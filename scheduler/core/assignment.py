"""After every change: free slots go to the best jobs that may run, running jobs give way where the rules say so.

One pass over the line, best first. Each candidate takes an idle slot, else counts on a slot that becomes free anyway,
else finds a victim. The pass ends with the first candidate for whom there is neither: those behind it lead by less.
Only a role that may not play together with what plays now is passed over.
"""

from __future__ import annotations

from typing import Any

from scheduler.core.actions import SendPreempt, SendRun
from scheduler.core.fair_share import weigh_teams
from scheduler.core.fleet import Slot
from scheduler.core.job import Job, JobState
from scheduler.core.ordering import effective_priority, score_terms
from scheduler.core.preemption import choose_victim
from scheduler.core.state import State, Turn
from scheduler.core.tags import Tag


def assign(state: State, turn: Turn) -> None:
    """Bring the slots in line with the queue. Does nothing while the queue is paused."""
    if state.is_queue_paused or not len(state.line):
        return
    weigh_teams(state, turn.at)
    idle = state.idle_slots()
    vacating = [slot for slot in state.slots if slot.is_vacating]
    if not idle and not vacating and not any(slot.job_id for slot in state.slots):
        return
    playing = {slot.number: slot.role for slot in state.slots if slot.role is not None}
    left_out: set[str] = set()
    granted: list[tuple[Slot, Job]] = []
    for job in state.line.best_first(left_out):
        others = _excluding_slots(state, job.role, playing)
        slot = _first_allowed(idle, others)
        if slot is not None:
            idle.remove(slot)
            playing[slot.number] = job.role
            granted.append((slot, job))
            continue
        slot = _first_allowed(vacating, others)
        if slot is not None:
            vacating.remove(slot)
            left_out |= state.relations.excluded_by(job.role)  # nobody may spoil the slot it counts on
            continue
        found = choose_victim(state, job, [slot for slot in state.slots if _is_allowed(slot, others)], turn.at)
        if found is not None:
            slot, victim, terms = found
            ask_to_stop(state, turn, slot, "preempted", victim, terms)
            left_out |= state.relations.excluded_by(job.role)
            continue
        if not others:
            break
        left_out.add(job.role)
        if turn.at - job.submitted_at >= state.policy.exclusion_patience_s:
            left_out |= state.relations.excluded_by(job.role)
    for slot, job in granted:
        _grant(state, turn, slot, job)


def ask_to_stop(
    state: State, turn: Turn, slot: Slot, cause: str, victim: Job, terms: dict[str, Any], tag: Tag = Tag.JOB_PREEMPTING
) -> None:
    """Tell the worker to stop at the next block boundary and keep the context."""
    assert slot.worker_id is not None and slot.lease_id is not None
    fields: dict[str, Any] = {"preemptions": victim.preemptions + 1} if cause == "preempted" else {"is_paused": True}
    slot.stop_cause, slot.stop_by = cause, turn.at + state.policy.grace_s
    state.move(turn, victim, JobState.PREEMPTING, tag, fields, {"cause": cause, "slot": slot.number, **terms})
    turn.effects.append(SendPreempt(slot.number, slot.worker_id, slot.lease_id))


def _grant(state: State, turn: Turn, slot: Slot, job: Job) -> None:
    place = state.line.place(job.id)
    body = {
        "slot": slot.number, "worker_id": slot.worker_id, "from_block": job.blocks_done,
        "priority": job.priority, "effective_priority": round(effective_priority(job, turn.at, state.policy), 3),
        "waited_s": round(turn.at - job.submitted_at, 3), "place": place[0] if place else None,
        "queued": len(state.line),
        "terms": score_terms(job, turn.at, state.policy, state.line.handicaps.get(job.team, 0.0)),
    }  # fmt: skip
    state.grant(turn, slot, job, body)
    assert slot.worker_id is not None and slot.lease_id is not None
    turn.effects.append(SendRun(slot.number, slot.worker_id, slot.lease_id, job.id, job.blocks_done))


def _excluding_slots(state: State, role: str, playing: dict[int, str]) -> set[int]:
    """Slots on which a role plays that may not play together with `role`."""
    excluded = state.relations.excluded_by(role)
    if not excluded:
        return set()
    return {number for number, other in playing.items() if other in excluded}


def _is_allowed(slot: Slot, excluding: set[int]) -> bool:
    """May the slot take a job whose role is excluded by what plays on `excluding`? Only in place of that very job."""
    return not excluding or excluding == {slot.number}


def _first_allowed(slots: list[Slot], excluding: set[int]) -> Slot | None:
    return next((slot for slot in slots if _is_allowed(slot, excluding)), None)
