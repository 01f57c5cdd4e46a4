"""Workers that come and go: a lost one costs its job nothing but the block it was making."""

from __future__ import annotations

from typing import Any

from scheduler.core import events
from scheduler.core.fleet import Slot, WorkerState
from scheduler.core.gangs import BROKEN, break_up
from scheduler.core.healing_policy import Fault
from scheduler.core.recovery import recover
from scheduler.core.state import State, Turn
from scheduler.core.tags import Tag

FAULTS = {"heartbeat_lost": Fault.HEARTBEAT_LOST, "hung_step": Fault.HUNG_STEP, "lease_expired": Fault.HUNG_STEP}
NOT_ITS_FAULT = ("gpu_lost", "gpu_error", BROKEN)  # killed because of others: no strike, and no crash of its job


def started(state: State, event: events.WorkerWasStarted, turn: Turn) -> bool:
    """A worker warms up for a slot that has none."""
    slot = state.slots[event.slot]
    if slot.worker is WorkerState.STOPPED:
        slot.move(WorkerState.STARTING)
        slot.worker_id = event.worker_id
        turn.record(Tag.WORKER_STARTED, f"slot:{slot.number}", {"worker_id": event.worker_id})
    return False


def ready(state: State, event: events.WorkerBecameReady, turn: Turn) -> bool:
    """A warm worker serves the slot. Another one that was there counts as lost; a slot in quarantine stays there."""
    slot = state.slots[event.slot]
    if slot.worker_id == event.worker_id and slot.worker is not WorkerState.STARTING:
        return False
    is_other_there = slot.worker in (WorkerState.READY, WorkerState.BUSY, WorkerState.STOPPING)
    if is_other_there:
        _lose(state, turn, slot, "replaced", is_crash=slot.kill_cause != "grace_over")
    slot.worker_id = event.worker_id
    turn.record(Tag.WORKER_READY, f"slot:{slot.number}", {"worker_id": event.worker_id})
    if slot.worker is WorkerState.QUARANTINED:
        return is_other_there
    slot.move(WorkerState.READY)
    return True


def lost(state: State, event: events.WorkerWasLost, turn: Turn) -> bool:
    """The slot's worker is gone; its job is queued again. News of a worker that is not there is refused."""
    slot = state.slots[event.slot]
    if slot.worker_id != event.worker_id:
        body = {"report": "WorkerWasLost", "worker_id": event.worker_id, "reason": "unknown_worker"}
        turn.record(Tag.REPORT_REFUSED, f"slot:{slot.number}", body, outcome="refused")
        return False
    is_crash = event.cause != "stopped" and (slot.kill_cause or event.cause) not in ("grace_over", *NOT_ITS_FAULT)
    _lose(state, turn, slot, event.cause, is_crash=is_crash, event=event)
    return True


def stage_set(state: State, event: events.StageWasSet, turn: Turn) -> bool:
    """A role is warm on a slot as if it had played there: its next job goes there first."""
    slot = state.slots[event.slot]
    if slot.worker in (WorkerState.READY, WorkerState.BUSY):
        slot.last_role = event.role
    return False


def _detect(state: State, turn: Turn, slot: Slot, cause: str, event: events.WorkerWasLost | None) -> None:
    """Open the heal that ends when another worker serves the slot and the job goes on."""
    fault = FAULTS.get(slot.kill_cause or cause, Fault.WORKER_DIED)
    numbers: dict[str, Any] = {"cause": slot.kill_cause or cause, "worker_id": slot.worker_id, "slot": slot.number}
    lag_s = 0.0
    if event is not None:
        lag_s = event.silent_s
        if event.deadline_s:
            numbers |= {"silent_s": round(event.silent_s, 3), "deadline_s": round(event.deadline_s, 3)}
        if event.reason:
            numbers["reason"] = event.reason
    place = f"slot:{slot.number}"
    state.heals.detect(turn, fault, place, state.healing[fault], lag_s=lag_s, job_id=slot.job_id, numbers=numbers)


def _lose(
    state: State, turn: Turn, slot: Slot, cause: str, *, is_crash: bool, event: events.WorkerWasLost | None = None
) -> None:
    body = {"worker_id": slot.worker_id, "cause": cause, "kill_cause": slot.kill_cause, "job_id": slot.job_id}
    turn.record(Tag.WORKER_LOST, f"slot:{slot.number}", body, outcome="failure" if is_crash else "success")
    if is_crash:
        slot.strikes += 1
        _detect(state, turn, slot, cause, event)
    if slot.job_id is not None:
        break_up(state, turn, slot)
        recover(state, turn, slot, cause=slot.kill_cause or cause, is_crash=is_crash)
    slot.lose_worker()
    if slot.strikes >= state.policy.max_strikes and slot.worker is WorkerState.STOPPED:
        slot.move(WorkerState.QUARANTINED)
        slot.quarantined_until = turn.at + state.policy.quarantine_s
        terms = {"strikes": slot.strikes, "until": slot.quarantined_until}
        turn.record(Tag.WORKER_QUARANTINED, f"slot:{slot.number}", terms, outcome="failure")
