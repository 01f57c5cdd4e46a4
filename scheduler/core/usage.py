"""What quotas are held against: queued jobs and promised time of users, teams and roles, and what leases of today used.

Counted as things happen, in O(1). Milliseconds are whole numbers here, so that sums stay exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scheduler.core.job import Job
from scheduler.core.policy import Policy

DAY_S = 86_400.0
Subject = tuple[str, str]  # kind, name


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
