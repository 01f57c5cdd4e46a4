"""Who is next: a static order inside a team by priority, ageing and deadline; between teams, fair share shifts it.

All jobs age at the same rate, so the order of two jobs of one team never changes while they wait: `priority + ageing · (now
- start of the clock)` and `priority - ageing · start of the clock` sort alike. A deadline sets the clock back: the job counts
as waiting since `deadline_lead_s` before it would have to begin, so its urgency grows with time and the order is still
static. The ceiling of ageing keeps that order too (a minimum is monotone); it matters where a waiting job is compared with a
running one, and keeps waiting alone from making a job urgent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from scheduler.core.job import OWN_HOLDS, Job, JobState
from scheduler.core.job import HoldReason as Hold
from scheduler.core.policy import FIFO, PRIORITY, SHORTEST, Policy

Key = tuple[int, float, int]  # (0 above ageing | 1 ageing, points with a minus sign, ordinal); smaller is better


def sort_key(job: Job, policy: Policy) -> Key:
    """Static place in the order of a team; ties go to the job accepted first."""
    if policy.ordering == FIFO:
        return (1, 0.0, job.ordinal)
    if policy.ordering == SHORTEST:
        return (1, job.seconds_left, job.ordinal)
    if policy.ordering == PRIORITY:
        return (1, -float(job.priority), job.ordinal)
    if is_above_ageing(job, policy):
        return (0, -_own_points(job, policy), job.ordinal)
    return (1, policy.ageing_per_s * clock_start(job, policy) - job.priority, job.ordinal)


def shifted(key: Key, points: float) -> Key:
    """The key of a job from which so many points are taken. Those above ageing lose nothing."""
    return (1, key[1] + points, key[2]) if key[0] and points else key


def is_above_ageing(job: Job, policy: Policy) -> bool:
    """Does neither waiting nor fair share count for it? Priorities above the ceiling, and reserved jobs whose time has come."""
    return job.priority > policy.ageing_ceiling or job.start_at is not None


def _own_points(job: Job, policy: Policy) -> float:
    return float(job.priority if job.start_at is None else max(job.priority, policy.urgent_priority))


def clock_start(job: Job, policy: Policy) -> float:
    """Since when the job counts as waiting: its submission, or earlier, so that it can meet its deadline.

    A deadline is worth at most `deadline_points`, which bounds what it may cost others.
    """
    if job.deadline is None or not policy.ageing_per_s:
        return job.submitted_at
    lead_begins = job.deadline - job.total_seconds - policy.deadline_lead_s
    earliest = job.submitted_at - policy.deadline_points / policy.ageing_per_s
    return min(job.submitted_at, max(lead_begins, earliest))


def effective_priority(job: Job, at: float, policy: Policy) -> float:
    """Priority points at a time: own priority plus ageing and deadline, up to the ceiling; without fair share."""
    if is_above_ageing(job, policy):
        return _own_points(job, policy)
    waited_s, ceiling = at - clock_start(job, policy), float(policy.ageing_ceiling)
    aged = job.priority + policy.ageing_per_s * waited_s if waited_s > 0.0 else float(job.priority)
    return aged if aged < ceiling else ceiling


def score_terms(job: Job, at: float, policy: Policy, handicap: float) -> dict[str, float | int | str]:
    """The terms of a job's score, for the audit: they add up to `score`, except under another ordering than the standard."""
    aged_s = max(0.0, at - job.submitted_at)
    early_s = job.submitted_at - clock_start(job, policy)
    terms: dict[str, float | int | str] = {
        "priority": job.priority, "ageing": round(policy.ageing_per_s * aged_s, 3),
        "deadline": round(policy.ageing_per_s * early_s, 3), "fair_share": round(0.0 - handicap, 3),
    }  # fmt: skip
    if is_above_ageing(job, policy):
        reserved = _own_points(job, policy) - job.priority
        terms |= {"ageing": 0.0, "deadline": 0.0, "fair_share": 0.0} | ({"reserved": reserved} if reserved else {})
    terms["score"] = round(sum(float(value) for value in terms.values()), 3)
    terms["ordering"] = policy.ordering
    return terms


def is_in_line(job: Job, at: float) -> bool:
    """Is it queued with nothing of its own holding it back?"""
    if job.state is not JobState.QUEUED:
        return False
    if job.hold is Hold.SCHEDULED:
        return job.start_at is not None and job.start_at <= at
    return job.hold not in OWN_HOLDS or (job.hold is Hold.RETRYING and job.not_before <= at)


def queue_order(
    jobs: Iterable[Job], at: float, policy: Policy, handicaps: Mapping[str, float] | None = None
) -> list[Job]:
    """The queued jobs, best first: those in line, then those held back by something of their own. For pages too.

    `handicaps`: points that fair share takes from teams, as the situation has them.
    """
    taken = handicaps or {}
    queued = [job for job in jobs if job.state is JobState.QUEUED]
    return sorted(
        queued, key=lambda job: (not is_in_line(job, at), shifted(sort_key(job, policy), taken.get(job.team, 0.0)))
    )


class _Line(Protocol):
    def place(self, job_id: str) -> tuple[int, int] | None: ...


class HasLine(Protocol):
    """Anything with a waiting line (the core's state)."""

    @property
    def line(self) -> _Line:
        """The waiting line."""


def place_of(state: HasLine, job_id: str) -> tuple[int, int] | None:
    """(place from 1, length of the line) in O(teams · log n); None for a job that is not in line."""
    return state.line.place(job_id)
