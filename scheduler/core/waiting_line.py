"""The waiting line: per team a line in static order, merged by what fair share takes from each team just now.

Inside a team nothing ever has to be sorted again. Between teams only one number per team changes, so the best job is the
best of the teams' heads, shifted by these numbers. Inserting shifts a plain list of references: some ten microseconds at
100,000 jobs. A place in line is one binary search per team.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterator, Mapping
from heapq import heapify, heappop, heappush, heapreplace

from scheduler.core import ordering
from scheduler.core.job import Job
from scheduler.core.ordering import Key, shifted
from scheduler.core.policy import Policy

Group = tuple[str, str]  # role, user: what may be left out as a whole
_NOBODY: frozenset[str] = frozenset()


class WaitingLine:
    """Jobs in line, by team, role and user: `best_first` can leave any of these out, `place` is a binary search per team."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._places: dict[str, tuple[Key, str]] = {}  # job id → its key and its team
        self._teams: dict[str, _TeamLine] = {}
        self._jobs: dict[int, Job] = {}  # by ordinal
        self._handicaps: Mapping[str, float] = {}
        self._best: Job | None = None  # the first in line, while nothing has changed

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._places

    @property
    def handicaps(self) -> Mapping[str, float]:
        """Points taken from each team, as of the last decision."""
        return self._handicaps

    @handicaps.setter
    def handicaps(self, points: Mapping[str, float]) -> None:
        self._handicaps = points
        self._best = None

    @property
    def teams(self) -> Collection[str]:
        """Teams that have a job in line."""
        return self._teams.keys()

    def has_users_besides(self, team: str, users: Collection[str]) -> bool:
        """Has the team a job in line of somebody who is not among the users?"""
        return not users or any(user not in users for _, user in self._teams[team].groups)

    def add(self, job: Job) -> None:
        """Take a place; the job must not be in line already."""
        assert job.id not in self._places, f"{job.id} is in line already"
        key = ordering.sort_key(job, self._policy)
        self._best = None
        self._places[job.id] = (key, job.team)
        self._jobs[job.ordinal] = job
        team = self._teams.get(job.team)
        if team is None:
            team = self._teams[job.team] = _TeamLine()
        team.add(key, (job.role, job.user))

    def remove(self, job: Job) -> None:
        """Give the place up. Works after the job's priority has changed."""
        key, name = self._places.pop(job.id)
        self._best = None
        del self._jobs[job.ordinal]
        team = self._teams[name]
        team.remove(key, (job.role, job.user))
        if not team.keys:
            del self._teams[name]

    def best_first(
        self, left_out: Collection[str] = _NOBODY, users: Collection[str] = _NOBODY, teams: Collection[str] = _NOBODY
    ) -> Iterator[Job]:
        """Jobs, best first. Roles in `left_out`, `users` and `teams` are skipped, also when put there while iterating."""
        if len(self._teams) == 1:  # nothing to merge
            ((name, team),) = self._teams.items()
            for key in team.best_first(left_out, users):
                if name in teams:
                    return
                yield self._jobs[key[2]]
            return
        heads: list[tuple[Key, str, Key]] = []
        lines: dict[str, Iterator[Key]] = {}
        for name, team in self._teams.items():
            if name not in teams:
                line = lines[name] = team.best_first(left_out, users)
                if (first := next(line, None)) is not None:
                    heads.append((shifted(first, self._handicaps.get(name, 0.0)), name, first))
        heapify(heads)
        while heads:
            _, name, key = heads[0]
            job = self._jobs[key[2]]
            if name in teams:
                heappop(heads)
                continue
            if job.role not in left_out and job.user not in users:
                yield job
            following = next(lines[name], None)
            if following is None:
                heappop(heads)
            else:
                heapreplace(heads, (shifted(following, self._handicaps.get(name, 0.0)), name, following))

    def best(self) -> Job | None:
        """The first in line."""
        if self._best is not None or not self._places:
            return self._best
        key = min(
            (shifted(team.heads[0][0], self._handicaps.get(name, 0.0)) for name, team in self._teams.items())
        )
        self._best = self._jobs[key[2]]
        return self._best

    def key_of(self, job: Job) -> Key:
        """The job's key now, what fair share takes from its team included; whether it is in line or not."""
        known = self._places.get(job.id)
        key = known[0] if known is not None else ordering.sort_key(job, self._policy)
        return shifted(key, self._handicaps.get(job.team, 0.0))

    def place(self, job_id: str) -> tuple[int, int] | None:
        """(place from 1, length of the line), or None for a job that is not in line."""
        known = self._places.get(job_id)
        if known is None:
            return None
        key, name = known
        return self._before(shifted(key, self._handicaps.get(name, 0.0))) + 1, len(self._places)

    def ahead_of(self, job: Job) -> int:
        """How many in line would go before this job, whether it is in line itself or not."""
        return self._before(self.key_of(job))

    def _before(self, key: Key) -> int:
        ahead = 0
        for name, team in self._teams.items():
            handicap = self._handicaps.get(name, 0.0)
            index = bisect_left(team.keys, shifted(key, -handicap))
            # the shift back and forth may be off by a rounding: the neighbours decide by the very keys that are compared
            while index > 0 and shifted(team.keys[index - 1], handicap) >= key:
                index -= 1
            while index < len(team.keys) and shifted(team.keys[index], handicap) < key:
                index += 1
            ahead += index
        return ahead


class _TeamLine:
    """One team's jobs in static order, and the head of each of its groups."""

    __slots__ = ("groups", "heads", "keys")

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.groups: dict[Group, list[Key]] = {}
        self.heads: list[tuple[Key, Group]] = []  # the best key of each group, sorted

    def add(self, key: Key, group: Group) -> None:
        insort(self.keys, key)
        line = self.groups.setdefault(group, [])
        if not line or key < line[0]:
            if line:
                self._drop_head(line[0], group)
            insort(self.heads, (key, group))
        insort(line, key)

    def remove(self, key: Key, group: Group) -> None:
        del self.keys[bisect_left(self.keys, key)]
        line = self.groups[group]
        index = bisect_left(line, key)
        del line[index]
        if index == 0:
            self._drop_head(key, group)
            if line:
                insort(self.heads, (line[0], group))
            else:
                del self.groups[group]

    def best_first(self, roles: Collection[str], users: Collection[str]) -> Iterator[Key]:
        """Keys, best first; a group that is left out costs one step, however many jobs it has."""
        opened: list[tuple[Key, Group, int]] = []  # heap: the next key of groups whose head was taken
        fresh = 0  # heads not looked at yet
        while opened or fresh < len(self.heads):
            if not opened or (fresh < len(self.heads) and self.heads[fresh][0] < opened[0][0]):
                key, group = self.heads[fresh]
                fresh += 1
                position = 0
            else:
                key, group, position = heappop(opened)
            if group[0] in roles or group[1] in users:
                continue
            yield key
            line = self.groups[group]
            if position + 1 < len(line):
                heappush(opened, (line[position + 1], group, position + 1))

    def _drop_head(self, key: Key, group: Group) -> None:
        index = bisect_left(self.heads, (key, group))
        assert self.heads[index] == (key, group)
        del self.heads[index]
