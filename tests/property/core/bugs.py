"""Bugs planted on purpose, one function each: it breaks the running core through `monkeypatch`. All must be caught."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from scheduler.core import (
    admission,
    assignment,
    events,
    machine,
    ordering,
    preemption,
    recovery,
    reports,
    upkeep,
    waiting_line,
    wishes,
    workers,
)
from scheduler.core.actions import DropContext, MoveJob, SendRun
from scheduler.core.fleet import Slot
from scheduler.core.job import HoldReason, Job, JobState
from scheduler.core.policy import Policy
from scheduler.core.state import State, Turn
from scheduler.core.tags import Tag

Patch = pytest.MonkeyPatch
Bug = Callable[[Patch], None]
BUGS: dict[str, Bug] = {}


def bug(plant: Bug) -> Bug:
    """Register a bug under its function's name."""
    BUGS[plant.__name__] = plant
    return plant


def handle(patch: Patch, kind: type[events.Event], handler: Any) -> Any:
    before = machine.HANDLERS[kind]
    patch.setitem(machine.HANDLERS, kind, handler)
    return before


@bug
def preempted_job_is_forgotten_the_second_time(patch: Patch) -> None:
    enqueue = State._enqueue

    def broken(self: State, job: Job) -> None:
        if job.preemptions < 2 or job.hold is not HoldReason.PREEMPTED:
            enqueue(self, job)

    patch.setattr(State, "_enqueue", broken)


@bug
def lost_worker_leaves_its_job_leased(patch: Patch) -> None:
    patch.setattr(workers, "recover", lambda *_, **__: None)


@bug
def nobody_ever_gives_way(patch: Patch) -> None:
    patch.setattr(assignment, "choose_victim", lambda *_: None)


@bug
def urgent_is_treated_like_any_other(patch: Patch) -> None:
    rule = preemption.rule_against

    def broken(state: State, slot: Slot, victim: Job, waiter: Job, at: float) -> str | None:
        return None if rule(state, slot, victim, waiter, at) == "urgent" else rule(state, slot, victim, waiter, at)

    patch.setattr(preemption, "rule_against", broken)


@bug
def every_waiting_event_stops_one_more_victim(patch: Patch) -> None:
    patch.setattr(Slot, "is_vacating", property(lambda _: False))


@bug
def old_leases_are_believed(patch: Patch) -> None:
    def broken(state: State, event: Any, turn: Turn) -> tuple[Slot | None, Job | None]:
        job_id = event.lease_id.rpartition("-")[0]
        for slot in state.slots:
            if slot.job_id == job_id:
                return slot, state.jobs[job_id]
        return None, None

    patch.setattr(reports, "_holder", broken)


@bug
def lease_ids_are_issued_again(patch: Patch) -> None:
    grant = State.grant

    def broken(self: State, turn: Turn, slot: Slot, job: Job, *more: Any) -> None:
        job.leases = 0
        grant(self, turn, slot, job, *more)

    patch.setattr(State, "grant", broken)


@bug
def waiting_counts_for_nothing(patch: Patch) -> None:
    def broken(job: Job, policy: Policy) -> ordering.Key:
        return (1, -float(job.priority), job.ordinal)

    patch.setattr(ordering, "sort_key", broken)


@bug
def newest_job_goes_first(patch: Patch) -> None:
    key = ordering.sort_key
    patch.setattr(ordering, "sort_key", lambda job, policy: (*key(job, policy)[:1], job.ordinal * -1.0, job.ordinal))
    patch.setattr(waiting_line.WaitingLine, "best_first", waiting_line.WaitingLine.best_first)


@bug
def block_is_counted_twice(patch: Patch) -> None:
    done = reports.block_done

    def broken(state: State, event: events.BlockWasDone, turn: Turn) -> bool:
        slot = state.leases.get(event.lease_id)
        if slot is not None and slot.job_id is not None and event.block == state.jobs[slot.job_id].blocks_done - 1:
            event = dataclasses.replace(event, block=event.block + 1)
        return done(state, event, turn)

    handle(patch, events.BlockWasDone, broken)


@bug
def gap_in_the_blocks_is_swallowed(patch: Patch) -> None:
    done = reports.block_done

    def broken(state: State, event: events.BlockWasDone, turn: Turn) -> bool:
        slot = state.leases.get(event.lease_id)
        if slot is not None and slot.job_id is not None and event.block > state.jobs[slot.job_id].blocks_done:
            job = state.jobs[slot.job_id]
            state.progress(turn, job, Tag.BLOCK_FINISHED, {"blocks_done": event.block}, {})
            return False
        return done(state, event, turn)

    handle(patch, events.BlockWasDone, broken)


@bug
def free_slot_is_not_offered_after_a_success(patch: Patch) -> None:
    done = reports.job_succeeded

    def broken(state: State, event: events.JobHasSucceeded, turn: Turn) -> bool:
        done(state, event, turn)
        return False

    handle(patch, events.JobHasSucceeded, broken)


@bug
def resumed_queue_stays_asleep(patch: Patch) -> None:
    def broken(state: State, event: events.QueueResumed, turn: Turn) -> bool:
        wishes.resume_queue(state, event, turn)
        return False

    handle(patch, events.QueueResumed, broken)


@bug
def paused_queue_starts_jobs(patch: Patch) -> None:
    def broken(state: State, event: events.QueuePaused, turn: Turn) -> bool:
        turn.record(Tag.QUEUE_PAUSED, "queue")
        return False

    handle(patch, events.QueuePaused, broken)


@bug
def drained_slot_takes_work(patch: Patch) -> None:
    patch.setattr(State, "idle_slots", lambda self: [slot for slot in self.slots if slot.worker == "READY"])


@bug
def excluding_roles_play_together(patch: Patch) -> None:
    patch.setattr(assignment, "_excluding_slots", lambda *_: set())


@bug
def cancelled_job_is_queued_again_when_its_worker_dies(patch: Patch) -> None:
    recover = recovery.recover

    def broken(state: State, turn: Turn, slot: Slot, **more: Any) -> None:
        job = state.jobs[slot.job_id or ""]
        wanted, job.is_cancel_requested = job.is_cancel_requested, False
        recover(state, turn, slot, **more)
        job.is_cancel_requested = wanted

    patch.setattr(workers, "recover", broken)


@bug
def crashes_are_not_counted(patch: Patch) -> None:
    recover = recovery.recover
    patch.setattr(workers, "recover", lambda *args, cause, is_crash: recover(*args, cause=cause, is_crash=False))


@bug
def paused_job_comes_back_by_itself(patch: Patch) -> None:
    def broken(self: State, job: Job, at: float, otherwise: HoldReason, ended: HoldReason | None = None) -> HoldReason:
        return HoldReason.RETRYING if job.not_before > at else otherwise

    patch.setattr(State, "hold_for", broken)


@bug
def retry_does_not_wait(patch: Patch) -> None:
    def broken(self: State, job: Job, at: float, otherwise: HoldReason, ended: HoldReason | None = None) -> HoldReason:
        if job.is_paused and ended is not HoldReason.PAUSED:
            return HoldReason.PAUSED
        if job.role in self.unavailable_roles:
            return HoldReason.ROLE_UNAVAILABLE
        return HoldReason.WAITING_FOR_SLOT if otherwise is HoldReason.RETRYING else otherwise

    patch.setattr(State, "hold_for", broken)


@bug
def back_off_never_ends(patch: Patch) -> None:
    patch.setattr(upkeep, "_ring", lambda *_: False)


@bug
def silent_worker_is_killed_at_every_tick(patch: Patch) -> None:
    ordered = upkeep._is_kill_ordered

    def broken(state: State, slot: Slot, turn: Turn) -> bool:
        worker = slot.worker
        result = ordered(state, slot, turn)
        slot.worker = worker
        return result

    patch.setattr(upkeep, "_is_kill_ordered", broken)


@bug
def silent_worker_is_never_killed(patch: Patch) -> None:
    patch.setattr(upkeep, "_is_kill_ordered", lambda *_: False)


@bug
def job_of_a_doomed_worker_is_given_away_early(patch: Patch) -> None:
    ordered = upkeep._is_kill_ordered
    patch.setattr(upkeep, "_is_kill_ordered", lambda *args: ordered(*args) and (args[1].free() or True))


@bug
def queued_jobs_of_a_user_are_never_counted_down(patch: Patch) -> None:
    dequeue = State._dequeue

    def broken(self: State, job: Job) -> None:
        dequeue(self, job)
        self.counts.queued["user", job.user] = self.counts.queued.get(("user", job.user), 0) + 1

    patch.setattr(State, "_dequeue", broken)


@bug
def effects_come_before_facts(patch: Patch) -> None:
    original = machine.step

    def broken(state: State, event: events.Event) -> list[Any]:
        return sorted(original(state, event), key=lambda action: not isinstance(action, SendRun))

    patch.setattr(machine, "step", broken)


@bug
def contexts_of_ended_jobs_are_kept(patch: Patch) -> None:
    end = State._end

    def broken(self: State, turn: Turn, job: Job) -> None:
        end(self, turn, job)
        turn.effects = [effect for effect in turn.effects if not isinstance(effect, DropContext)]

    patch.setattr(State, "_end", broken)


@bug
def restart_forgets_what_workers_held(patch: Patch) -> None:
    patch.setattr(upkeep, "_recover_orphan", lambda *_: None)


@bug
def restart_issues_old_leases_again(patch: Patch) -> None:
    restore = State.restore.__func__  # type: ignore[attr-defined]

    def broken(cls: type[State], policy: Policy, slots: int, jobs: list[Job], *more: Any, **kept: Any) -> State:
        for job in jobs:
            job.leases = 0
        return restore(cls, policy, slots, jobs, *more, **kept)  # type: ignore[no-any-return]

    patch.setattr(State, "restore", classmethod(broken))


@bug
def column_changes_without_a_fact(patch: Patch) -> None:
    def broken(state: State, event: events.PriorityChanged, turn: Turn) -> bool:
        job = state.jobs.get(event.job_id)
        if job is not None and job.state is not JobState.QUEUED:
            job.priority = event.priority
            return True
        return wishes.reprioritise(state, event, turn)

    handle(patch, events.PriorityChanged, broken)


@bug
def place_in_line_is_not_updated_with_the_priority(patch: Patch) -> None:
    def broken(state: State, event: events.PriorityChanged, turn: Turn) -> bool:
        job = state.jobs.get(event.job_id)
        if job is None or job.priority == event.priority:
            return False
        job.priority = event.priority
        fact = {"priority": event.priority}
        turn.facts.append(machine_move(job, fact))
        return True

    handle(patch, events.PriorityChanged, broken)


def machine_move(job: Job, fields: dict[str, Any]) -> Any:
    """A fact about a job, made behind the back of `State.move`."""
    return MoveJob(job.id, job.state, job.state, Tag.JOB_REPRIORITISED, fields, {})


@bug
def quota_is_checked_one_too_late(patch: Patch) -> None:
    admit = admission.admit

    def broken(state: State, job: Job, event: events.JobSubmitted) -> admission.Decision:
        decision = admit(state, job, event)
        if decision.verdict == admission.REJECTED:
            return dataclasses.replace(decision, verdict=admission.ADMITTED, reason="waiting_for_slot")
        return decision

    patch.setattr(wishes, "admit", broken)
