"""The decision core: `step(state, event)` → actions. The same events lead to the same actions, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scheduler.core import approval, events, healing, policy_change, reports, upkeep, wishes, workers
from scheduler.core.actions import Action
from scheduler.core.assignment import assign
from scheduler.core.state import State, Turn

__all__ = ["State", "step"]

# A handler changes the state, says so in the turn, and answers whether slots and queue must be matched again.
Handler = Callable[[State, Any, Turn], bool]

HANDLERS: dict[type[events.Event], Handler] = {
    events.JobSubmitted: wishes.submit,
    events.CancelRequested: wishes.cancel,
    events.PauseRequested: wishes.pause,
    events.ResumeRequested: wishes.resume,
    events.PriorityChanged: wishes.reprioritise,
    events.ConsentAnswered: wishes.consent,
    events.PreviewJudged: approval.judge,
    events.PreviewRenewed: approval.renew,
    events.QueuePaused: wishes.pause_queue,
    events.QueueResumed: wishes.resume_queue,
    events.RoleChanged: wishes.change_role,
    events.SlotDrained: wishes.drain,
    events.WorkerWasStarted: workers.started,
    events.WorkerBecameReady: workers.ready,
    events.WorkerWasLost: workers.lost,
    events.StageWasSet: workers.stage_set,
    events.JobWasStarted: reports.job_started,
    events.BlockWasDone: reports.block_done,
    events.WorkWasSeen: reports.work_seen,
    events.JobWasPreempted: reports.job_preempted,
    events.JobWasCancelled: reports.job_cancelled,
    events.JobHasSucceeded: reports.job_succeeded,
    events.JobHasFailed: reports.job_failed,
    events.DeviceWasRead: healing.device_read,
    events.DiskWasRead: healing.disk_read,
    events.WorkerStartFailed: healing.start_failed,
    events.VaultChanged: healing.vault_changed,
    events.HealedOutside: healing.healed_outside,
    events.PolicyChanged: policy_change.change_policy,
    events.TimePassed: upkeep.pass_time,
    events.Booted: upkeep.boot,
}


def step(state: State, event: events.Event) -> list[Action]:
    """Let one event happen. Facts (`MoveJob`, `Record`, `Refuse`) come before effects; an unknown event is an error.

    Time never runs backwards: an event that says an earlier time than the one before happens at that one's time.
    """
    assert state.is_booted or type(event) is events.Booted, f"{type(event).__name__} before Booted"
    if event.at > state.now:
        state.now = event.at
    turn = Turn(state.now)
    if HANDLERS[type(event)](state, event, turn):
        assign(state, turn)
    if state.heals.open:
        healing.settle(state, turn)
    return turn.facts + turn.effects
