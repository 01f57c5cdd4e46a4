"""Fair share: what teams have used, forgotten by half-lives, and the points this takes from them in line.

A team's usage is the GPU seconds of its ended leases (decayed) plus those of its running jobs, the rest they still need
included: who is given a slot is charged at once. What counts is how far a team's usage, over its weight, lies above that of
the least served team in line. A team that comes back after a while brings no more credit than `fair_share_credit_s`, so
that nobody is starved by those who were away. The points are bounded: fair share may delay, never starve.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scheduler.core.job import Job
from scheduler.core.policy import STANDARD, Policy

if TYPE_CHECKING:
    from scheduler.core.state import State


@dataclass(slots=True)
class Usage:
    """GPU seconds, decayed up to a time."""

    seconds: float
    at: float


class Shares:
    """The teams' usage by ended leases, and which teams had work when it was last looked at."""

    def __init__(self) -> None:
        self.settled: dict[str, Usage] = {}
        self.active: set[str] = set()
        self.levels: dict[str, float] = {}  # usage over weight of active teams, as of the last decision
        self.left: dict[str, float] = {}  # GPU seconds that running jobs still needed then
        self.version = 0

    def settle(self, team: str, seconds: float, at: float, half_life_s: float) -> None:
        """A lease ended after so many GPU seconds."""
        self.settled[team] = Usage(self.used(team, at, half_life_s) + max(0.0, seconds), at)
        self.version += 1

    def used(self, team: str, at: float, half_life_s: float) -> float:
        """Decayed GPU seconds of ended leases."""
        usage = self.settled.get(team)
        if usage is None:
            return 0.0
        return float(usage.seconds * 0.5 ** (max(0.0, at - usage.at) / half_life_s))

    def copy(self) -> Shares:
        """One that shares nothing with this."""
        copied = Shares()
        copied.settled = {team: Usage(usage.seconds, usage.at) for team, usage in self.settled.items()}
        copied.active, copied.version = set(self.active), self.version
        copied.levels, copied.left = dict(self.levels), dict(self.left)
        return copied

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for the store."""
        return {"settled": {team: [usage.seconds, usage.at] for team, usage in sorted(self.settled.items())}}

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any] | None) -> Shares:
        """Inverse of `to_mapping`; nothing is nothing."""
        shares = cls()
        for team, (seconds, at) in (data or {}).get("settled", {}).items():
            shares.settled[team] = Usage(float(seconds), float(at))
        return shares


def weigh_teams(state: State, at: float) -> None:
    """Bring the points that fair share takes from each team up to date: O(teams + slots)."""
    policy, shares, line = state.policy, state.shares, state.line
    if policy.ordering != STANDARD or not policy.fair_share_points:
        line.handicaps, shares.levels, shares.left = {}, {}, {}
        return
    running: dict[str, float] = {}
    shares.left = {}
    for slot in state.slots:
        if slot.job_id is not None:
            job = state.jobs[slot.job_id]
            left_s = job.seconds_left
            shares.left[job.id] = shares.left.get(job.id, 0.0) + left_s  # a gang is charged for each of its slots
            running[job.team] = running.get(job.team, 0.0) + max(0.0, at - job.leased_at) + left_s
    active = {*line.teams, *running}
    half_life_s, weights = policy.fair_share_half_life_s, policy.team_weights
    levels: dict[str, float] = {}
    for team in sorted(active):
        usage = shares.settled.get(team)
        used = 0.0 if usage is None else usage.seconds * 0.5 ** (max(0.0, at - usage.at) / half_life_s)
        levels[team] = (used + running.get(team, 0.0)) / weights.get(team, 1.0)
    if active != shares.active:
        _welcome(state, levels, at)
        shares.active = active
    shares.levels = levels
    least = min((levels[team] for team in line.teams), default=0.0)
    line.handicaps = {team: handicap(level - least, policy) for team, level in levels.items()}


def handicap(excess_s: float, policy: Policy) -> float:
    """Points for an excess in GPU seconds per weight: steep at first, always growing, never `fair_share_points`."""
    if excess_s <= 0.0:
        return 0.0
    return policy.fair_share_points * excess_s / (excess_s + policy.fair_share_scale_s)


def lead_after(state: State, waiter: Job, victim: Job) -> float:
    """Points by which fair share would favour `waiter` if `victim` were in line again: below zero, it favours the victim.

    Without this a job could take a slot only to see it go back to the job that gave way.
    """
    levels, policy = state.shares.levels, state.policy
    if waiter.team == victim.team or waiter.team not in levels or victim.team not in levels:
        return 0.0
    after = levels[victim.team] - state.shares.left.get(victim.id, 0.0) / policy.weight_of(victim.team)
    least = min(after, min((levels[team] for team in state.line.teams if team != victim.team), default=after))
    return handicap(after - least, policy) - handicap(levels[waiter.team] - least, policy)


def _welcome(state: State, levels: dict[str, float], at: float) -> None:
    """Teams with work again start no further behind the least served of the others than the credit.

    What the others' running jobs still need counts as theirs only from now on: it is service that the new ones wait for.
    """
    policy, shares = state.policy, state.shares
    used = {team: level for team, level in levels.items() if team in shares.active}
    if not used:
        return
    for job_id, left_s in shares.left.items():
        team = state.jobs[job_id].team
        if team in used:
            used[team] -= left_s / policy.weight_of(team)
    floor = min(used.values()) - policy.fair_share_credit_s
    for team, level in levels.items():
        if team not in shares.active and level < floor:
            missing = (floor - level) * policy.weight_of(team)
            shares.settle(team, missing, at, policy.fair_share_half_life_s)
            levels[team] = floor
