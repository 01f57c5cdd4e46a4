"""Which running job gives way, and why; every term of the choice is kept for the audit."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Any

from scheduler.core.fair_share import lead_after
from scheduler.core.fleet import Slot, WorkerState
from scheduler.core.job import Job
from scheduler.core.ordering import effective_priority
from scheduler.core.policy import STANDARD, Policy
from scheduler.core.state import State


def gain_over(state: State, waiter: Job, victim: Job, at: float) -> float:
    """Effective priority points by which the waiting job leads."""
    return effective_priority(waiter, at, state.policy) - effective_priority(victim, at, state.policy)


def rule_against(state: State, slot: Slot, victim: Job, waiter: Job, at: float) -> str | None:
    """The rule by which `waiter` may stop `victim` now ("urgent", "reserved" or "margin"), or None."""
    if slot.worker is not WorkerState.BUSY or slot.stop_cause is not None or slot.is_drained:
        return None
    return rule_over(state, victim, slot.leased_blocks, waiter, at)


def rule_over(state: State, victim: Job, leased_blocks: int, waiter: Job, at: float) -> str | None:
    """The rule by which `waiter` goes before `victim`, which has made so many new blocks under its lease, or None.

    By the margin a lead never turns round: both age alike, and fair share must not favour the victim either. So of two
    jobs only one can ever stop the other, and a chain of them only ever leads upwards.
    """
    policy = state.policy
    if policy.ordering != STANDARD:
        return None
    if waiter.outranks_margin(policy.urgent_priority) and not victim.outranks_margin(policy.urgent_priority):
        return "urgent" if waiter.start_at is None else "reserved"
    if victim.start_at is not None or victim.follows or victim.id in state.followers:
        return None  # promised; or a session, which is not torn apart
    if leased_blocks < policy.min_run_blocks or victim.preemptions >= policy.max_preemptions:
        return None
    if victim.seconds_left <= policy.preempt_cost_s:
        return None  # its slot is free before the change would pay
    if policy.degrade_within_s and victim.degrade == "allow" and _seconds_eased(victim) <= policy.degrade_within_s:
        return None  # it gave up steps so as to keep its slot
    gain = gain_over(state, waiter, victim, at)
    least = max(policy.preempt_margin, switch_cost(victim, policy))
    return "margin" if gain >= least and gain + lead_after(state, waiter, victim) >= least else None


def _seconds_eased(victim: Job) -> float:
    """What it still needs with the fewer steps that it has taken; infinite where it has taken none."""
    steps = [word.removeprefix("steps=") for word in victim.rungs.split() if word.startswith("steps=")]
    if not steps or not steps[-1].isdigit():
        return inf
    return victim.seconds_left * int(steps[-1]) / (int(steps[-1]) + 1)  # as it was reckoned when it took them


def switch_cost(victim: Job, policy: Policy) -> float:
    """Points that stopping it costs: each time it was stopped before makes the next dearer."""
    return policy.preempt_points_per_s * policy.preempt_cost_s * (1 + victim.preemptions)


def loss_terms(victim: Job, at: float, policy: Policy) -> dict[str, float]:
    """What is lost if it gives way, in points: its own rank with its age, the switch, and that it would soon be done."""
    nearly_done_s = max(0.0, policy.spare_last_s - victim.seconds_left)
    return {
        "rank": effective_priority(victim, at, policy), "switch": switch_cost(victim, policy),
        "nearly_done": policy.preempt_points_per_s * nearly_done_s,
    }  # fmt: skip


def seconds_to_boundary(slot: Slot, victim: Job, at: float, policy: Policy) -> float:
    """Predicted seconds until its present block ends; of one that is being prepared it is taken to be a block and a switch.

    Who is late is about to be done, but not who is late by more than a block: that worker is expected to be as late again.
    """
    if not slot.is_started:
        expected_s = victim.block_ms / 1000.0 + policy.preempt_cost_s
        return max(expected_s, at - victim.leased_at - expected_s)
    late_s = at - slot.block_since - slot.block_s
    return max(-late_s, late_s - slot.block_s, 0.0)


def choose_victim(
    state: State, waiter: Job, slots: Iterable[Slot], at: float
) -> tuple[Slot, Job, dict[str, Any]] | None:
    """The slot, job and terms of the least loss among `slots`, or None where nobody has to give way.

    Of those that lose no more than `preempt_margin` above the least, an urgent or reserved job stops the one whose present
    block ends soonest. Ties: most blocks still to make, then accepted last.
    """
    found: list[tuple[tuple[float, int, int], Slot, Job, str, dict[str, float]]] = []
    considered = 0
    for slot in slots:
        if slot.job_id is None or slot.lead is not None:
            continue  # a gang gives way as one, by the slot that speaks for it
        victim = state.jobs[slot.job_id]
        considered += 1
        rule = rule_against(state, slot, victim, waiter, at)
        if rule is None:
            continue
        terms = loss_terms(victim, at, state.policy)
        terms["switch"] *= state.width_of(victim.id)
        loss = (sum(terms.values()), victim.blocks_done - victim.total_blocks, -victim.ordinal)
        found.append((loss, slot, victim, rule, terms))
    if not found:
        return None
    best = min(found, key=lambda one: one[0])
    if best[3] != "margin":
        most = best[0][0] + state.policy.preempt_margin
        near = [one for one in found if one[0][0] <= most and one[3] == best[3]]  # by the margin it may stop urgent ones, too
        best = min(near, key=lambda one: (seconds_to_boundary(one[1], one[2], at, state.policy), one[0]))
    _, slot, victim, rule, terms = best
    return slot, victim, {
        "rule": rule, "preemptor": waiter.id, "preemptor_role": waiter.role,
        "preemptor_priority": round(effective_priority(waiter, at, state.policy), 3),
        "victim_priority": round(effective_priority(victim, at, state.policy), 3),
        "gain": round(gain_over(state, waiter, victim, at), 3),
        "fair_share_lead": round(lead_after(state, waiter, victim), 3), "margin": state.policy.preempt_margin,
        "cost": round(switch_cost(victim, state.policy), 3), "loss": {name: round(v, 3) for name, v in terms.items()},
        "blocks_this_lease": slot.leased_blocks, "min_run_blocks": state.policy.min_run_blocks,
        "preemptions": victim.preemptions + 1, "max_preemptions": state.policy.max_preemptions,
        "blocks_left": victim.total_blocks - victim.blocks_done, "considered": considered,
        "boundary_in_s": round(seconds_to_boundary(slot, victim, at, state.policy), 3),
    }  # fmt: skip
