"""Fair share: what teams got above what they were entitled to, forgotten by half-lives, and the points this takes in line.

While somebody waits, every second of the slots is shared out: each team with work is entitled to its weight's part of what is
served, a team with nothing waiting to no more than it has. What a team gets above that is added to its balance, what it gets
below is taken off, so the balances of all add up to nothing. Work that kept nobody waiting costs nothing, and who was away
brings no credit. What its running jobs still need counts as well: who is given a slot is charged at once. What matters is how
far a team lies above the lowest in line. The points are bounded: fair share may delay, never starve.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import expm1, log
from typing import TYPE_CHECKING, Any

from scheduler.core.job import Job
from scheduler.core.policy import STANDARD, Policy

if TYPE_CHECKING:
    from scheduler.core.state import State


@dataclass(slots=True)
class Balance:
    """GPU seconds above (or, with a minus sign, below) what a team was entitled to, as of a time."""

    seconds: float
    at: float


class Shares:
    """The teams' balances, and how fast those of teams with work change until the slots or the line do."""

    def __init__(self) -> None:
        self.balances: dict[str, Balance] = {}
        self.rates: dict[str, float] = {}  # slots above what the team is entitled to, since `since`
        self.since = 0.0
        self.levels: dict[str, float] = {}  # balance, with what runs still needs, over weight; as of the last decision
        self.left: dict[str, float] = {}  # GPU seconds that running jobs still needed then
        self.version = 0

    def count(self, rates: Mapping[str, float], at: float, half_life_s: float) -> None:
        """Up to this time the rates counted, from here on these do."""
        if rates == self.rates:
            return  # what is stored is what is known, to the last bit
        for team in self.rates:
            self.balances[team] = Balance(self.balance(team, at, half_life_s), at)
        self.rates, self.since = dict(rates), at
        self.version += 1

    def balance(self, team: str, at: float, half_life_s: float) -> float:
        """GPU seconds above what it was entitled to, at a time at which the rates still hold."""
        known = self.balances.get(team)
        lasts_s = half_life_s / log(2.0)  # what counts at a rate for ever comes to the rate for so long
        before = 0.0 if known is None else known.seconds * 0.5 ** (max(0.0, at - known.at) / half_life_s)
        return before - self.rates.get(team, 0.0) * lasts_s * expm1(-max(0.0, at - self.since) / lasts_s)

    def copy(self) -> Shares:
        """One that shares nothing with this."""
        copied = Shares()
        copied.balances = {team: Balance(balance.seconds, balance.at) for team, balance in self.balances.items()}
        copied.rates, copied.since, copied.version = dict(self.rates), self.since, self.version
        copied.levels, copied.left = dict(self.levels), dict(self.left)
        return copied

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for the store."""
        balances = {team: [balance.seconds, balance.at] for team, balance in sorted(self.balances.items())}
        return {"balances": balances, "rates": dict(sorted(self.rates.items())), "since": self.since}

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any] | None) -> Shares:
        """Inverse of `to_mapping`; nothing is nothing."""
        shares, known = cls(), data or {}
        for team, (seconds, at) in known.get("balances", {}).items():
            shares.balances[team] = Balance(float(seconds), float(at))
        shares.rates = {team: float(rate) for team, rate in known.get("rates", {}).items()}
        shares.since = float(known.get("since", 0.0))
        return shares


def entitlements(served: Mapping[str, int], waiting: Collection[str], policy: Policy) -> dict[str, float]:
    """Slots that each team should have of those that are `served`, by weight; what one has no use for goes to the others."""
    parts: dict[str, float] = {}
    total, open_teams = float(sum(served.values())), dict(served)
    while open_teams:
        each = total / sum(policy.weight_of(team) for team in open_teams)
        content = [
            team for team, slots in open_teams.items() if team not in waiting and slots <= each * policy.weight_of(team)
        ]
        if not content:
            return parts | {team: each * policy.weight_of(team) for team in open_teams}
        for team in content:
            parts[team] = float(open_teams.pop(team))
            total -= parts[team]
    return parts


def count_service(state: State, at: float) -> None:
    """Slots and line are as they will be for a while: this is how the balances change from now on. O(teams + slots)."""
    policy, waiting = state.policy, state.line.teams
    served: dict[str, int] = dict.fromkeys(waiting, 0)
    if waiting and policy.ordering == STANDARD and policy.fair_share_points:
        for slot in state.slots:  # a gang is charged for each of its slots
            if slot.job_id is not None:
                team = state.jobs[slot.job_id].team
                served[team] = served.get(team, 0) + 1
    due = entitlements(served, waiting, policy) if any(served.values()) else {}
    rates = {team: served[team] - slots for team, slots in due.items()}
    state.shares.count(rates, at, policy.fair_share_half_life_s)


def weigh_teams(state: State, at: float) -> None:
    """Bring the points that fair share takes from each team up to date: O(teams + slots)."""
    policy, shares, line = state.policy, state.shares, state.line
    if policy.ordering != STANDARD or not policy.fair_share_points:
        line.handicaps, shares.levels, shares.left = {}, {}, {}
        return
    needed: dict[str, float] = {}
    shares.left = {}
    for slot in state.slots:
        if slot.job_id is not None:
            job = state.jobs[slot.job_id]
            left_s = job.seconds_left
            shares.left[job.id] = shares.left.get(job.id, 0.0) + left_s
            needed[job.team] = needed.get(job.team, 0.0) + left_s
    shares.levels = {
        team: (shares.balance(team, at, policy.fair_share_half_life_s) + needed.get(team, 0.0)) / policy.weight_of(team)
        for team in sorted({*line.teams, *needed})
    }
    least = min((shares.levels[team] for team in line.teams), default=0.0)
    line.handicaps = {team: handicap(level - least, policy) for team, level in shares.levels.items()}


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
