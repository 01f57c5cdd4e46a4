"""Other orders to compare with: first come first served, plain priority, shortest job first. The same core runs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from scheduler.core.policy import Policy
from scheduler.simulation.trace import TraceJob

NEVER: dict[str, Any] = {"ageing_per_s": 0.0, "preempt_margin": 1e12, "urgent_priority": 10**9, "ageing_ceiling": 10**9 - 1}


@dataclass(frozen=True, slots=True)
class Discipline:
    """How jobs are ordered: `rank` is the priority that the core is told, `adapt` changes its numbers."""

    name: str
    rank: Callable[[TraceJob], int]
    adapt: Callable[[Policy], Policy]


def _plain(policy: Policy) -> Policy:
    """No ageing and no preemption: the rank alone decides."""
    return replace(policy, **NEVER)


DISCIPLINES: dict[str, Discipline] = {
    one.name: one
    for one in (
        Discipline("greenroom", lambda job: job.priority, lambda policy: policy),
        Discipline("fifo", lambda job: 0, _plain),
        Discipline("priority", lambda job: job.priority, _plain),
        Discipline("shortest", lambda job: -job.blocks, _plain),
    )
}
GREENROOM = DISCIPLINES["greenroom"]
