"""After every change: free slots go to the best jobs that may run, running jobs give way where the rules say so.

One pass over the line, best first. Each candidate takes an idle slot, else counts on a slot that becomes free anyway,
else finds a victim. The pass ends with the first candidate for whom there is neither: those behind it lead by less.
Only who may not play together with what plays now, or has used up a quota of running jobs, is passed over.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from scheduler.core.actions import SendPreempt, SendRun
from scheduler.core.degrade import ease_instead
from scheduler.core.fair_share import weigh_teams
from scheduler.core.fleet import Slot
from scheduler.core.job import Job, JobState
from scheduler.core.ordering import effective_priority, score_terms
from scheduler.core.policy import STANDARD
from scheduler.core.preemption import choose_victim
from scheduler.core.quotas import full_stages
from scheduler.core.state import State, Turn
from scheduler.core.tags import Tag

LOOK_AHEAD = 16  # jobs behind the best one that are asked whether they suit a slot better


def assign(state: State, turn: Turn) -> None:
    """Bring the slots in line with the queue. Does nothing while the queue is paused."""
    if state.is_queue_paused or not len(state.line):
        return
    weigh_teams(state, turn.at)
    desk = _Desk(state, turn)
    if not desk.idle and not desk.vacating and not any(slot.job_id for slot in state.slots):
        return
    for job in state.line.best_first(desk.roles, desk.users, desk.teams):
        if job.id not in desk.seated and not desk.seat(job):
            break
    for slot, job, why in desk.granted:
        _grant(state, turn, slot, job, why)


class _Desk:
    """One pass: the slots that are left, who plays or will play where, and who is passed over from now on."""

    def __init__(self, state: State, turn: Turn) -> None:
        self.state, self.turn = state, turn
        self.idle = state.idle_slots()
        self.vacating = [slot for slot in state.slots if slot.is_vacating]
        self.playing = {slot.number: slot.role for slot in state.slots if slot.role is not None}
        # by slot: who plays there, or will when it is free
        self.seats = {slot.number: state.jobs[slot.job_id] for slot in state.slots if slot.job_id is not None}
        self.roles: set[str] = set()
        self.users: set[str] = set()
        self.teams: set[str] = set()
        self.seated: set[str] = set()
        self.granted: list[tuple[Slot, Job, dict[str, Any]]] = []

    def seat(self, job: Job) -> bool:
        """Find a slot for the best job in line; False: nobody behind it can have one either."""
        state, turn = self.state, self.turn
        others = _excluding_slots(state, job.role, self.playing)
        allowed = self._quota_allows(job)
        while (slot := self._idle_for(job, others, allowed)) is not None:
            better, why = self._suits_better(slot, job)
            self._take(slot, better or job, why)
            if better is None:
                return True
            others, allowed = _excluding_slots(state, job.role, self.playing), self._quota_allows(job)
        slot = _first_allowed(self.vacating, others, allowed)
        if slot is not None:
            self.vacating.remove(slot)
            self.seats[slot.number] = job
            self.roles |= state.relations.excluded_by(job.role)  # nobody may spoil the slot it counts on
            return True
        found = choose_victim(state, job, [slot for slot in state.slots if _is_allowed(slot, others, allowed)], turn.at)
        if found is not None:
            slot, victim, terms = found
            if terms["rule"] == "margin" and ease_instead(state, turn, slot, victim, job):
                return False
            ask_to_stop(state, turn, slot, "preempted", victim, terms)
            self.seats[slot.number] = job
            self.roles |= state.relations.excluded_by(job.role)
            return True
        if allowed is not None:
            self._pass_over(job)
        if others:
            self.roles.add(job.role)
            if turn.at - job.submitted_at >= state.policy.exclusion_patience_s:
                self.roles |= state.relations.excluded_by(job.role)
        return bool(others) or allowed is not None

    def _take(self, slot: Slot, job: Job, why: dict[str, Any]) -> None:
        self.idle.remove(slot)
        self.playing[slot.number] = job.role
        self.seats[slot.number] = job
        self.seated.add(job.id)
        self.granted.append((slot, job, why))

    def _quota_allows(self, job: Job) -> set[int] | None:
        """Slots that the quotas of running jobs leave it, each in place of one that counts for the same; None: all."""
        allowed: set[int] | None = None
        for shortage, used_by in full_stages(self.state.policy, job, self.seats):
            own = set(used_by) if len(used_by) == shortage.limit else set()
            allowed = own if allowed is None else allowed & own
        return allowed

    def _pass_over(self, job: Job) -> None:
        """Whoever counts for the same used-up quota need not be looked at."""
        left_out = {"user": self.users, "team": self.teams, "role": self.roles}
        for shortage, _ in full_stages(self.state.policy, job, self.seats):
            left_out[shortage.kind].add(shortage.name)

    def _idle_for(self, job: Job, others: set[int], allowed: set[int] | None) -> Slot | None:
        """An idle slot, one that played the job's role last before others."""
        slots = [slot for slot in self.idle if _is_allowed(slot, others, allowed)]
        return next((slot for slot in slots if slot.last_role == job.role), slots[0] if slots else None)

    def _suits_better(self, slot: Slot, job: Job) -> tuple[Job | None, dict[str, Any]]:
        """A job a few points behind that suits this slot better: it ends before a reservation, or its role is warm there.

        The points bound what this can cost: nobody who came so much later is ever preferred.
        """
        state, policy = self.state, self.state.policy
        if policy.ordering != STANDARD or job.outranks_margin(policy.urgent_priority):
            return None, {}
        next_at = min((held.start_at or 0.0 for held in state.scheduled.values()), default=None)
        is_too_long = next_at is not None and self.turn.at + job.seconds_left > next_at
        is_cold = slot.last_role is not None and slot.last_role != job.role
        if not (is_too_long and policy.backfill_points) and not (is_cold and policy.affinity_points):
            return None, {}
        head = state.line.key_of(job)
        for other in islice(state.line.best_first(self.roles, self.users, self.teams), LOOK_AHEAD):
            key = state.line.key_of(other)
            behind = key[1] - head[1]
            if other.id in self.seated or key <= head or key[0] != head[0] or not self._may_have(slot, other, job):
                continue
            fits = next_at is not None and self.turn.at + other.seconds_left <= next_at
            why = {"instead_of": job.id, "points_behind": round(behind, 3)}
            if is_too_long and fits and behind <= policy.backfill_points:
                return other, {"rule": "backfill", "until": next_at, **why}
            if is_cold and other.role == slot.last_role and behind <= policy.affinity_points and (fits or not is_too_long):
                return other, {"rule": "warm_role", **why}
        return None, {}

    def _may_have(self, slot: Slot, other: Job, job: Job) -> bool:
        if self._quota_allows(other) is not None or other.role in self.state.relations.excluded_by(job.role):
            return False
        return not _excluding_slots(self.state, other.role, self.playing)


def hand_over(state: State, turn: Turn, slot: Slot, follower: Job) -> bool:
    """The next part of a session takes the slot of the part before it at once; only who goes before all comes first."""
    best = state.line.best()
    if best is None or state.is_queue_paused or not slot.is_idle or follower.id not in state.line:
        return False
    urgent = state.policy.urgent_priority
    if best.outranks_margin(urgent) and not follower.outranks_margin(urgent):
        return False
    seats = {other.number: state.jobs[other.job_id] for other in state.slots if other.job_id is not None}
    is_free = not any(full_stages(state.policy, follower, seats))
    if not is_free or state.relations.excluded_by(follower.role) & {job.role for job in seats.values()}:
        return False
    _grant(state, turn, slot, follower, {"rule": "session", "after": follower.follows})
    return True


def ask_to_stop(
    state: State, turn: Turn, slot: Slot, cause: str, victim: Job, terms: dict[str, Any], tag: Tag = Tag.JOB_PREEMPTING
) -> None:
    """Tell the worker to stop at the next block boundary and keep the context."""
    assert slot.worker_id is not None and slot.lease_id is not None
    fields: dict[str, Any] = {}
    if cause in ("preempted", "paused"):
        fields = {"preemptions": victim.preemptions + 1} if cause == "preempted" else {"is_paused": True}
    slot.stop_cause, slot.stop_by = cause, turn.at + state.policy.grace_s
    state.move(turn, victim, JobState.PREEMPTING, tag, fields, {"cause": cause, "slot": slot.number, **terms})
    turn.effects.append(SendPreempt(slot.number, slot.worker_id, slot.lease_id))


def _grant(state: State, turn: Turn, slot: Slot, job: Job, why: dict[str, Any]) -> None:
    place = state.line.place(job.id)
    body = {
        "slot": slot.number, "worker_id": slot.worker_id, "from_block": job.blocks_done,
        "priority": job.priority, "effective_priority": round(effective_priority(job, turn.at, state.policy), 3),
        "waited_s": round(turn.at - job.submitted_at, 3), "place": place[0] if place else None,
        "queued": len(state.line),
        "terms": score_terms(job, turn.at, state.policy, state.line.handicaps.get(job.team, 0.0)), **why,
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


def _is_allowed(slot: Slot, excluding: set[int], allowed: set[int] | None) -> bool:
    """May the slot take a job whose role is excluded by what plays on `excluding`? Only in place of that very job."""
    return (not excluding or excluding == {slot.number}) and (allowed is None or slot.number in allowed)


def _first_allowed(slots: list[Slot], excluding: set[int], allowed: set[int] | None) -> Slot | None:
    return next((slot for slot in slots if _is_allowed(slot, excluding, allowed)), None)
