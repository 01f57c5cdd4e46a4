"""Who is next: a static order by priority and ageing, and the waiting line that keeps it.

All jobs age at the same rate, so their order never changes while they wait: `priority + ageing · (now - submitted)`
and `priority - ageing · submitted` sort alike. The ceiling of ageing keeps that order too (a minimum is monotone); it
matters where a waiting job is compared with a running one, and keeps waiting alone from making a job urgent.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from heapq import heappop, heapreplace
from typing import Protocol

from scheduler.core.job import OWN_HOLDS, Job, JobState
from scheduler.core.job import HoldReason as Hold
from scheduler.core.policy import Policy

Key = tuple[int, float, int]  # (0 above ageing | 1 ageing, points with a minus sign, ordinal); smaller is better


def sort_key(job: Job, policy: Policy) -> Key:
    """Static place in the order; ties go to the job accepted first."""
    if job.priority > policy.ageing_ceiling:
        return (0, -float(job.priority), job.ordinal)
    return (1, policy.ageing_per_s * job.submitted_at - job.priority, job.ordinal)


def effective_priority(job: Job, at: float, policy: Policy) -> float:
    """Priority points at a time: own priority plus ageing since submission, up to the ceiling."""
    if job.priority > policy.ageing_ceiling:
        return float(job.priority)
    return min(float(policy.ageing_ceiling), job.priority + policy.ageing_per_s * max(0.0, at - job.submitted_at))


def is_in_line(job: Job, at: float) -> bool:
    """Is it queued with nothing of its own holding it back?"""
    if job.state is not JobState.QUEUED:
        return False
    return job.hold not in OWN_HOLDS or (job.hold is Hold.RETRYING and job.not_before <= at)


def queue_order(jobs: Iterable[Job], at: float, policy: Policy) -> list[Job]:
    """The queued jobs, best first: those in line, then those held back by something of their own. For pages too."""
    queued = [job for job in jobs if job.state is JobState.QUEUED]
    return sorted(queued, key=lambda job: (not is_in_line(job, at), sort_key(job, policy)))


class WaitingLine:
    """Jobs in line, by role and altogether: `best_first` can leave whole roles out, `place` is a binary search.

    Inserting shifts a plain list of references: some ten microseconds at 100,000 jobs. Fair share would replace this
    class by one with the same methods.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._keys: dict[str, Key] = {}
        self._all: list[Key] = []
        self._roles: dict[str, list[Key]] = {}
        self._heads: list[tuple[Key, str]] = []  # the best key of each role, sorted
        self._jobs: dict[int, Job] = {}  # by ordinal

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._keys

    def add(self, job: Job) -> None:
        """Take a place; the job must not be in line already."""
        assert job.id not in self._keys, f"{job.id} is in line already"
        key = sort_key(job, self._policy)
        self._keys[job.id] = key
        self._jobs[job.ordinal] = job
        insort(self._all, key)
        line = self._roles.setdefault(job.role, [])
        if not line or key < line[0]:
            if line:
                self._drop_head(line[0], job.role)
            insort(self._heads, (key, job.role))
        insort(line, key)

    def remove(self, job: Job) -> None:
        """Give the place up. Works after the job's priority has changed."""
        key = self._keys.pop(job.id)
        del self._jobs[job.ordinal]
        del self._all[bisect_left(self._all, key)]
        line = self._roles[job.role]
        index = bisect_left(line, key)
        del line[index]
        if index == 0:
            self._drop_head(key, job.role)
            if line:
                insort(self._heads, (line[0], job.role))
            else:
                del self._roles[job.role]

    def best_first(self, left_out: set[str] | frozenset[str] = frozenset()) -> Iterator[Job]:
        """Jobs, best first. Roles in `left_out` are skipped, also when they are put there while iterating."""
        heap = list(self._heads)  # sorted, so it is a heap
        positions: dict[str, int] = {}
        while heap:
            key, role = heap[0]
            if role not in left_out:
                yield self._jobs[key[2]]
            line = self._roles[role]
            position = positions[role] = positions.get(role, 0) + 1
            if role in left_out or position >= len(line):
                heappop(heap)
            else:
                heapreplace(heap, (line[position], role))

    def best(self) -> Job | None:
        """The first in line."""
        return self._jobs[self._heads[0][0][2]] if self._heads else None

    def place(self, job_id: str) -> tuple[int, int] | None:
        """(place from 1, length of the line), or None for a job that is not in line."""
        key = self._keys.get(job_id)
        return None if key is None else (bisect_left(self._all, key) + 1, len(self._all))

    def ahead_of(self, job: Job) -> int:
        """How many in line would go before this job, whether it is in line itself or not."""
        return bisect_left(self._all, sort_key(job, self._policy))

    def keys(self) -> list[Key]:
        """All keys in order (a copy), for checks."""
        return list(self._all)

    def _drop_head(self, key: Key, role: str) -> None:
        index = bisect_left(self._heads, (key, role))
        assert self._heads[index] == (key, role)
        del self._heads[index]


class HasLine(Protocol):
    """Anything with a waiting line (the core's state)."""

    line: WaitingLine


def place_of(state: HasLine, job_id: str) -> tuple[int, int] | None:
    """(place from 1, length of the line) in O(log n); None for a job that is not in line."""
    return state.line.place(job_id)
