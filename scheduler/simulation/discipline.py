"""Other orders to compare with: first come first served, plain priority, shortest job first. The same core runs them."""

from __future__ import annotations

from dataclasses import replace

from scheduler.core.policy import FIFO, PRIORITY, SHORTEST, STANDARD, Policy

GREENROOM = "greenroom"  # whatever the policy says
DISCIPLINES = (GREENROOM, FIFO, PRIORITY, SHORTEST)


def discipline_of(policy: Policy, discipline: str) -> str:
    """The order that is run, by the name with which `--order` asks for it whatever the policy says."""
    ordering = ordered_by(policy, discipline).ordering
    return GREENROOM if ordering == STANDARD else ordering


def ordered_by(policy: Policy, discipline: str) -> Policy:
    """The policy with another ordering."""
    return policy if discipline == GREENROOM else replace(policy, ordering=discipline)
