"""Quotas of users, teams and roles: queued jobs, running jobs, GPU seconds per day.

GPU seconds of a day are those of leases that ended today, those that running jobs have had so far, and those that open jobs
are predicted to need (`usage`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from scheduler.core.job import Job
from scheduler.core.policy import Policy
from scheduler.core.state import State
from scheduler.core.usage import Subject, subjects

KINDS = ("user", "team", "role")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """A quota that stands in the way: whose, which, how much there is and how much is asked for."""

    kind: str
    name: str
    rule: str  # "queued", "running" or "gpu_s_per_day"
    limit: float
    used: float
    needed: float = 1.0
    until: float | None = None  # when it is counted anew

    @property
    def short(self) -> float:
        """How much is missing."""
        return self.used + self.needed - self.limit


def limit_of(policy: Policy, rule: str, kind: str) -> float | None:
    """A quota's number; None: no limit."""
    value: float | None = getattr(policy, f"max_{rule}_per_{kind}" if rule != "gpu_s_per_day" else f"gpu_s_per_day_per_{kind}")
    return value


def full_queues(state: State, job: Job) -> Iterator[Shortage]:
    """Quotas of queued jobs that one more would break."""
    for kind, name in subjects(job):
        limit, queued = limit_of(state.policy, "queued", kind), state.counts.queued.get((kind, name), 0)
        if limit is not None and queued + 1 > limit:
            yield Shortage(kind=kind, name=name, rule="queued", limit=limit, used=queued)


def spent_days(state: State, job: Job, at: float, slots_needed: int = 1) -> Iterator[Shortage]:
    """Quotas of GPU seconds that the job would break."""
    policy, needed_s = state.policy, job.total_seconds * slots_needed
    for kind, name in subjects(job):
        limit = limit_of(policy, "gpu_s_per_day", kind)
        if limit is None:
            continue
        state.spent.turn(at, policy)
        used_ms = state.spent.ms.get((kind, name), 0) + state.counts.promised_ms.get((kind, name), 0)
        used = used_ms / 1000 + running_seconds(state, (kind, name), at)
        if used + needed_s > limit:
            yield Shortage(
                kind=kind, name=name, rule="gpu_s_per_day", limit=limit, used=used, needed=needed_s,
                until=state.spent.ends_at(policy),
            )  # fmt: skip


def running_seconds(state: State, subject: Subject, at: float) -> float:
    """Seconds that the subject's running jobs have had their slots for."""
    running = [state.jobs[slot.job_id] for slot in state.slots if slot.job_id is not None]
    return sum(max(0.0, at - job.leased_at) for job in running if subject in subjects(job))


def full_stages(policy: Policy, job: Job, playing: Mapping[int, Job]) -> Iterator[tuple[Shortage, frozenset[int]]]:
    """Quotas of running jobs that are used up, with the slots that use them. `playing`: slot number → job."""
    if not policy.has_running_limits:
        return
    for kind, name in subjects(job):
        limit = limit_of(policy, "running", kind)
        if limit is None:
            continue
        used_by = frozenset(number for number, other in playing.items() if getattr(other, kind) == name)
        used = len({playing[number].id for number in used_by})  # a gang plays on several
        if used >= limit:
            yield Shortage(kind=kind, name=name, rule="running", limit=limit, used=used), used_by
