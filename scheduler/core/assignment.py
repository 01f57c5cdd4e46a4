"""After every change: free slots go to the best jobs that may run, running jobs give way where the rules say so.

One pass over the line, best first. Each candidate takes an idle slot, else counts on a slot that becomes free anyway,
else finds a victim. The pass ends with the first candidate for whom there is neither: those behind it lead by less.
Only who may not play together with what plays now, or has used up a quota of running jobs, is passed over.
"""

from __future__ import annotations

from itertools import islice, takewhile
from typing import Any

from scheduler.core.actions import ExpectContext, SendPreempt, SendRun
from scheduler.core.degrade import ease_instead
from scheduler.core.fair_share import count_service, weigh_teams
from scheduler.core.fleet import Slot
from scheduler.core.gangs import Kept, can_assemble, keep_for, victims_for
from scheduler.core.job import Job, JobState
from scheduler.core.ordering import effective_priority, score_terms
from scheduler.core.policy import STANDARD
from scheduler.core.preemption import choose_victim
from scheduler.core.quotas import full_stages
from scheduler.core.state import State, Turn
from scheduler.core.tags import Tag

LOOK_AHEAD = 16  # jobs behind the best one that are asked whether they suit a slot better


def assign(state: State, turn: Turn) -> None:
    """Bring the slots in line with the queue. While the queue is paused, only what teams are served is counted."""
    if not state.is_queue_paused and len(state.line):
        _match(state, turn)
    count_service(state, turn.at)


def _match(state: State, turn: Turn) -> None:
    weigh_teams(state, turn.at)
    desk = _Desk(state, turn)
    if not desk.idle and not desk.vacating and not any(slot.job_id for slot in state.slots):
        return
    best = state.line.best()  # known without merging the teams' lines, and mostly nobody can be seated
    if best is not None and desk.seat(best):
        for job in state.line.best_first(desk.roles, desk.users, desk.teams):
            if job is not best and job.id not in desk.seated and not desk.seat(job):
                break
    for slots, job, why in desk.granted:
        _grant(state, turn, slots, job, why)
    if not state.is_imagined:
        desk.expect_next()


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
        self.granted: list[tuple[list[Slot], Job, dict[str, Any]]] = []
        self.kept: Kept | None = None  # a gang ahead of everybody from here on lacks slots
        self.looked = 0  # jobs behind that gang that were asked whether they fit in

    def seat(self, job: Job) -> bool:
        """Find a slot for the best job in line; False: nobody behind it can have one either."""
        state, turn = self.state, self.turn
        others = _excluding_slots(state, job.role, self.playing)
        allowed = self._quota_allows(job)
        width = state.width_of(job.id)
        if self.kept is not None:
            return self._fit_in(job, width, others, allowed)
        if width > 1 and not others and allowed is None:
            return self._seat_gang(job, width)
        while width == 1 and (slot := self._idle_for(job, others, allowed)) is not None:
            better, why = self._suits_better(slot, job)
            self._take([slot], better or job, why)
            if better is None:
                return True
            others, allowed = _excluding_slots(state, job.role, self.playing), self._quota_allows(job)
        slot = _first_allowed(self.vacating, others, allowed) if width == 1 else None
        if slot is not None:
            self.vacating.remove(slot)
            self._expect(slot, job)
            self.roles |= state.relations.excluded_by(job.role)  # nobody may spoil the slot it counts on
            return True
        found = None
        if width == 1:
            found = choose_victim(state, job, [slot for slot in state.slots if _is_allowed(slot, others, allowed)], turn.at)
        if found is not None:
            slot, victim, terms = found
            if not (terms["rule"] == "margin" and ease_instead(state, turn, slot, victim, job)):
                ask_to_stop(state, turn, slot, "preempted", victim, terms)
                self._expect(slot, job)
                self.roles |= state.relations.excluded_by(job.role)
                return True
        if allowed is not None:
            self._pass_over(job)
        if others:
            self.roles.add(job.role)
            if turn.at - job.submitted_at >= state.policy.exclusion_patience_s:
                self.roles |= state.relations.excluded_by(job.role)
        return bool(others) or allowed is not None

    def _seat_gang(self, job: Job, width: int) -> bool:
        """All slots at once, or those that come free anyway, or victims enough; else the idle ones are kept for it."""
        state, turn = self.state, self.turn
        if not can_assemble(state, width):
            return True  # too few workers are there at all
        if len(self.idle) >= width:
            self._take(self._warmest(job)[:width], job, {})
            return True
        lacking = width - len(self.idle) - len(self.vacating)
        busy = [slot for slot in state.slots if slot.lead is None]
        victims = victims_for(state, job, lacking, busy, turn.at) if lacking > 0 else []
        for slot, victim, terms in victims:
            ask_to_stop(state, turn, slot, "preempted", victim, terms)
        if lacking > 0 and not victims:
            begins = [(other, len(slots)) for slots, other, _ in self.granted]
            self.kept = keep_for(state, job, len(self.idle) + len(self.vacating), begins, turn.at)
            self.vacating = []
            self.roles |= state.relations.excluded_by(job.role)  # whoever fits in may not shut it out
            return bool(self.idle)
        self.idle, claimed = [], self.vacating[: width - len(self.idle)]
        self.vacating = [slot for slot in self.vacating if slot not in claimed]
        for slot in (*claimed, *(freed for _, victim, _ in victims for freed in state.slots_of(victim))):
            self.seats[slot.number] = job
        self.roles |= state.relations.excluded_by(job.role)
        return True

    def _fit_in(self, job: Job, width: int, others: set[int], allowed: set[int] | None) -> bool:
        """Behind a gang that lacks slots: an idle one is for those that are done before it could begin."""
        self.looked += 1
        slots = [slot for slot in self._warmest(job) if _is_allowed(slot, others, allowed)]
        if len(slots) >= width and self.kept is not None and self.kept.lets_play(job, width, self.turn.at):
            why = {"rule": "backfill", "until": self.kept.until, "instead_of": self.kept.job_id}
            self._take(slots[:width], job, why)
        return bool(self.idle) and self.looked < LOOK_AHEAD

    def _take(self, slots: list[Slot], job: Job, why: dict[str, Any]) -> None:
        for slot in slots:
            self.idle.remove(slot)
            self.playing[slot.number] = job.role
            self.seats[slot.number] = job
        self.seated.add(job.id)
        self.granted.append((slots, job, why))

    def _expect(self, slot: Slot, job: Job) -> None:
        """The job counts on the slot, which is free within a block."""
        self.seats[slot.number] = job
        if job.blocks_done and not self.state.is_imagined:
            self.turn.effects.append(ExpectContext(slot.number, job.id))

    def expect_next(self) -> None:
        """Whoever is first in line can count on a slot whose job makes its last block."""
        best = self.state.line.best()
        if best is None or not best.blocks_done:
            return
        for slot in self.state.slots:
            job = None if slot.job_id is None else self.state.jobs[slot.job_id]
            if job is not None and slot.stop_cause is None and job.total_blocks - job.blocks_done <= 1:
                self._expect(slot, best)
                return

    def _warmest(self, job: Job) -> list[Slot]:
        """Idle slots, those that played the job's role last before others."""
        return sorted(self.idle, key=lambda slot: slot.last_role != job.role)

    def _quota_allows(self, job: Job) -> set[int] | None:
        """Slots that the quotas of running jobs leave it, each in place of one that counts for the same; None: all."""
        allowed: set[int] | None = None
        for shortage, used_by in full_stages(self.state.policy, job, self.seats):
            own = set(used_by) if shortage.used == shortage.limit else set()
            allowed = own if allowed is None else allowed & own
        return allowed

    def _pass_over(self, job: Job) -> None:
        """Whoever counts for the same used-up quota need not be looked at."""
        left_out = {"user": self.users, "team": self.teams, "role": self.roles}
        for shortage, _ in full_stages(self.state.policy, job, self.seats):
            left_out[shortage.kind].add(shortage.name)

    def _idle_for(self, job: Job, others: set[int], allowed: set[int] | None) -> Slot | None:
        """An idle slot, one that played the job's role last before others."""
        return _first_allowed(self._warmest(job), others, allowed)

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
        head, most = state.line.key_of(job), max(policy.backfill_points, policy.affinity_points)
        for other in islice(state.line.best_first(self.roles, self.users, self.teams), LOOK_AHEAD):
            key = state.line.key_of(other)
            if key <= head or other.id in self.seated:
                continue
            behind = key[1] - head[1]
            if key[0] != head[0] or behind > most:
                break  # those after it are farther behind
            fits = next_at is not None and self.turn.at + other.seconds_left <= next_at
            is_backfill = is_too_long and fits and behind <= policy.backfill_points
            is_warm = is_cold and other.role == slot.last_role and behind <= policy.affinity_points
            if (is_backfill or (is_warm and (fits or not is_too_long))) and self._may_have(slot, other, job):
                why = {"instead_of": job.id, "points_behind": round(behind, 3)}
                return other, {"rule": "backfill", "until": next_at, **why} if is_backfill else {"rule": "warm_role", **why}
        return None, {}

    def _may_have(self, slot: Slot, other: Job, job: Job) -> bool:
        excluded = self.state.relations.excluded_by(job.role)
        if other.id in self.state.gangs or self._quota_allows(other) is not None or other.role in excluded:
            return False
        return not _excluding_slots(self.state, other.role, self.playing)


def hand_over(state: State, turn: Turn, slot: Slot, follower: Job) -> bool:
    """The next part of a session takes the slot of the part before it at once, unless one that goes before all may play."""
    if state.is_queue_paused or not slot.is_idle or follower.id not in state.line:
        return False
    urgent = state.policy.urgent_priority
    if not _may_play(state, follower):
        return False
    if not follower.outranks_margin(urgent):
        before_all = takewhile(lambda job: job.outranks_margin(urgent), state.line.best_first())
        if any(_may_play(state, job) for job in before_all):
            return False
    _grant(state, turn, [slot], follower, {"rule": "session", "after": follower.follows})
    return True


def _may_play(state: State, job: Job) -> bool:
    """Does nothing that plays now keep it from a slot: no quota of running jobs, no role that may not play with its own?"""
    seats = {slot.number: state.jobs[slot.job_id] for slot in state.slots if slot.job_id is not None}
    excluded = state.relations.excluded_by(job.role)
    return not any(other.role in excluded for other in seats.values()) and not any(full_stages(state.policy, job, seats))


def ask_to_stop(
    state: State, turn: Turn, slot: Slot, cause: str, victim: Job, terms: dict[str, Any], tag: Tag = Tag.JOB_PREEMPTING
) -> None:
    """Tell the worker to stop at the next block boundary and keep the context; of a gang, the one that speaks for it."""
    held = state.slots_of(victim)
    slot = held[0]
    assert slot.worker_id is not None and slot.lease_id is not None
    fields: dict[str, Any] = {}
    if cause in ("preempted", "paused"):
        fields = {"preemptions": victim.preemptions + 1} if cause == "preempted" else {"is_paused": True}
    for one in held:
        one.stop_cause, one.stop_by = cause, turn.at + state.policy.grace_s
    state.move(turn, victim, JobState.PREEMPTING, tag, fields, {"cause": cause, "slot": slot.number, **terms})
    turn.effects.append(SendPreempt(slot.number, slot.worker_id, slot.lease_id))


def _grant(state: State, turn: Turn, slots: list[Slot], job: Job, why: dict[str, Any]) -> None:
    slot, *others = slots
    if others:
        why = {**why, "slots": [one.number for one in slots]}
    state.grant(turn, slot, job, {} if state.is_imagined else _reasons(state, turn, slot, job, why), others)
    assert slot.worker_id is not None and slot.lease_id is not None
    members = tuple((one.number, one.worker_id or "") for one in others)
    turn.effects.append(SendRun(slot.number, slot.worker_id, slot.lease_id, job.id, job.blocks_done, members))


def _reasons(state: State, turn: Turn, slot: Slot, job: Job, why: dict[str, Any]) -> dict[str, Any]:
    """Why it is this job's turn, for the audit."""
    place = state.line.place(job.id)
    return {
        "slot": slot.number, "worker_id": slot.worker_id, "from_block": job.blocks_done,
        "priority": job.priority, "effective_priority": round(effective_priority(job, turn.at, state.policy), 3),
        "waited_s": round(turn.at - (job.freed_at or job.submitted_at), 3), "place": place[0] if place else None,
        "queued": len(state.line),
        "terms": score_terms(job, turn.at, state.policy, state.line.handicaps.get(job.team, 0.0)), **why,
    }  # fmt: skip


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
