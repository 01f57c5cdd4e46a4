"""Which running job gives way, and why; every term of the choice is kept for the audit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scheduler.core.fair_share import lead_after
from scheduler.core.fleet import Slot, WorkerState
from scheduler.core.job import Job
from scheduler.core.ordering import effective_priority
from scheduler.core.policy import STANDARD
from scheduler.core.state import State


def gain_over(state: State, waiter: Job, victim: Job, at: float) -> float:
    """Effective priority points by which the waiting job leads."""
    return effective_priority(waiter, at, state.policy) - effective_priority(victim, at, state.policy)


def rule_against(state: State, slot: Slot, victim: Job, waiter: Job, at: float) -> str | None:
    """The rule by which `waiter` may stop `victim` now ("urgent" or "margin"), or None."""
    policy = state.policy
    if policy.ordering != STANDARD:
        return None
    if slot.worker is not WorkerState.BUSY or slot.stop_cause is not None or slot.is_drained:
        return None
    if waiter.priority >= policy.urgent_priority > victim.priority:
        return "urgent"
    if slot.leased_blocks < policy.min_run_blocks or victim.preemptions >= policy.max_preemptions:
        return None
    gain = gain_over(state, waiter, victim, at)
    if gain < policy.preempt_margin or gain + lead_after(state, waiter, victim) < policy.preempt_margin:
        return None
    return "margin"


def choose_victim(
    state: State, waiter: Job, slots: Iterable[Slot], at: float
) -> tuple[Slot, Job, dict[str, Any]] | None:
    """The slot, job and terms of the least loss among `slots`, or None where nobody has to give way.

    Least loss: lowest own priority, then preempted least often, then most blocks still to make (a job that is nearly
    done would soon free its slot anyway), then accepted last.
    """
    best: tuple[tuple[int, int, int, int], Slot, Job, str] | None = None
    considered = 0
    for slot in slots:
        if slot.job_id is None:
            continue
        victim = state.jobs[slot.job_id]
        considered += 1
        rule = rule_against(state, slot, victim, waiter, at)
        if rule is None:
            continue
        loss = (victim.priority, victim.preemptions, victim.blocks_done - victim.total_blocks, -victim.ordinal)
        if best is None or loss < best[0]:
            best = (loss, slot, victim, rule)
    if best is None:
        return None
    _, slot, victim, rule = best
    return slot, victim, {
        "rule": rule, "preemptor": waiter.id, "preemptor_role": waiter.role,
        "preemptor_priority": round(effective_priority(waiter, at, state.policy), 3),
        "victim_priority": round(effective_priority(victim, at, state.policy), 3),
        "gain": round(gain_over(state, waiter, victim, at), 3),
        "fair_share_lead": round(lead_after(state, waiter, victim), 3), "margin": state.policy.preempt_margin,
        "blocks_this_lease": slot.leased_blocks, "min_run_blocks": state.policy.min_run_blocks,
        "preemptions": victim.preemptions + 1, "max_preemptions": state.policy.max_preemptions,
        "blocks_left": victim.total_blocks - victim.blocks_done, "considered": considered,
    }  # fmt: skip
