"""Quotas of users, teams and roles: queued jobs, running jobs, GPU seconds per day. Counted as things happen, in O(1).

GPU seconds of a day are those of leases that ended today, those that running jobs have had so far, and those that open jobs
are predicted to need. Milliseconds are whole numbers here, so that sums stay exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scheduler.core.job import Job
from scheduler.core.policy import Policy

if TYPE_CHECKING:
    from scheduler.core.state import State

KINDS = ("user", "team", "role")
DAY_S = 86_400.0
Subject = tuple[str, str]  # kind, name


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


class Counts:
    """Queued jobs and promised milliseconds: both follow from the open jobs."""

    def __init__(self) -> None:
        self.queued: dict[Subject, int] = {}
        self.promised_ms: dict[Subject, int] = {}
        self.has_promises = True  # False: nobody asks for them, in a future under a policy without quotas of a day

    def enter(self, job: Job) -> None:
        """A job is queued."""
        for subject in subjects(job):
            self.queued[subject] = self.queued.get(subject, 0) + 1

    def leave(self, job: Job) -> None:
        """A job is queued no more."""
        for subject in subjects(job):
            if self.queued[subject] == 1:
                del self.queued[subject]
            else:
                self.queued[subject] -= 1

    def promise(self, job: Job, milliseconds: int) -> None:
        """An open job needs so much more (or less)."""
        if milliseconds and self.has_promises:
            promised = self.promised_ms
            for subject in subjects(job):
                if left := promised.get(subject, 0) + milliseconds:
                    promised[subject] = left
                else:
                    del promised[subject]


class Spent:
    """Milliseconds of the leases that ended today."""

    def __init__(self) -> None:
        self.day = 0
        self.ms: dict[Subject, int] = {}
        self.version = 0

    def add(self, job: Job, seconds: float, at: float, policy: Policy) -> None:
        """A lease ended; it counts on the day of its end."""
        self.turn(at, policy)
        self.version += 1
        for subject in subjects(job):
            self.ms[subject] = self.ms.get(subject, 0) + max(0, round(seconds * 1000))

    def turn(self, at: float, policy: Policy) -> None:
        """Begin a new day where one has begun."""
        day = day_of(at, policy)
        if day != self.day:
            self.day, self.ms = day, {}

    def seconds_of(self, subject: Subject, day: int) -> float:
        """GPU seconds of a subject that ended leases used on a day of quotas; none but the newest is known."""
        return self.ms.get(subject, 0) / 1000 if day == self.day else 0.0

    def ends_at(self, policy: Policy) -> float:
        """When the next day begins."""
        return (self.day + 1) * DAY_S + policy.quota_day_starts_s

    def copy(self) -> Spent:
        """One that shares nothing with this."""
        copied = Spent()
        copied.day, copied.ms = self.day, dict(self.ms)
        return copied

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for the store."""
        return {"day": self.day, "ms": [[kind, name, ms] for (kind, name), ms in sorted(self.ms.items())]}

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any] | None) -> Spent:
        """Inverse of `to_mapping`; nothing is nothing."""
        spent = cls()
        if data:
            spent.day = int(data["day"])
            spent.ms = {(kind, name): int(ms) for kind, name, ms in data["ms"]}
        return spent


def day_of(at: float, policy: Policy) -> int:
    """Number of the day of quotas that a moment lies in."""
    return int((at - policy.quota_day_starts_s) // DAY_S)


def subjects(job: Job) -> tuple[Subject, Subject, Subject]:
    """Whose quotas a job counts for."""
    return ("user", job.user), ("team", job.team), ("role", job.role)


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
