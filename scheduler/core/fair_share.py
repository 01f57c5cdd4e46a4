"""Fair share: what teams got above what they were entitled to, forgotten by half-lives, and the points this takes in line.

While somebody waits, every second of the slots is shared out: each team with work is entitled to its weight's part of what is
served; one that has nothing waiting, or whose own quotas keep its jobs from a slot, to no more than it has. What a team gets
above that is added to its balance, what it gets below is taken off, so the balances of all add up to nothing. Work that kept
nobody waiting costs nothing, and who was away brings no credit. What its running jobs still need counts as well: who is given
a slot is charged at once. What matters is how far a team lies above the lowest in line. The points are bounded: fair share may
delay, never starve.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import dataclass
from math import expm1, fsum, log
from typing import TYPE_CHECKING, Any

from scheduler.core.job import Job
from scheduler.core.policy import STANDARD, Policy

if TYPE_CHECKING:
    from scheduler.core.state import State

NOTHING_S = 1e-3  # a balance below it is forgotten altogether


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
        self.half_life_s = Policy.fair_share_half_life_s  # by which all is forgotten since then
        self.levels: dict[str, float] = {}  # balance, with what runs still needs, over weight; as of the last decision
        self.left: dict[str, float] = {}  # of running jobs: what they still needed then, over their team's weight
        self.version = 0

    def count(self, rates: Mapping[str, float], at: float, half_life_s: float) -> None:
        """Up to this time the rates and the half-life counted, from here on these do."""
        if rates == self.rates and half_life_s == self.half_life_s:
            return  # what is stored is what is known, to the last bit
        at = max(at, self.since)
        is_settled = half_life_s != self.half_life_s  # what has been forgotten does not come back with a longer one
        is_swept = at // self.half_life_s != self.since // self.half_life_s  # else who asked once is written down for ever
        for team, seconds in self.balances_at({**self.balances, **self.rates} if is_settled else self.rates, at).items():
            self.balances[team] = Balance(seconds, at)
        self.rates, self.since, self.half_life_s = dict(rates), at, half_life_s
        if is_swept:
            for team, seconds in self.balances_at([*self.balances], at).items():
                if abs(seconds) < NOTHING_S and team not in rates:
                    del self.balances[team]
        self.version += 1

    def balances_at(self, teams: Iterable[str], at: float) -> dict[str, float]:
        """GPU seconds that the teams have above what they were entitled to, at a time at which the rates still hold."""
        lasted_s, half_life_s, rates = max(0.0, at - self.since), self.half_life_s, self.rates
        forgotten = lasted_s * log(2.0) / half_life_s
        counted_s = lasted_s * (-expm1(-forgotten) / forgotten) if forgotten else lasted_s
        found: dict[str, float] = {}
        for team in teams:
            known, rate = self.balances.get(team), rates.get(team)
            seconds = 0.0 if known is None else known.seconds * 0.5 ** (max(0.0, at - known.at) / half_life_s)
            found[team] = seconds + rate * counted_s if rate else seconds
        return found

    def copy(self) -> Shares:
        """One that shares nothing with this."""
        copied = Shares()
        copied.balances = {team: Balance(balance.seconds, balance.at) for team, balance in self.balances.items()}
        copied.rates, copied.since, copied.version = dict(self.rates), self.since, self.version
        copied.half_life_s = self.half_life_s
        copied.levels, copied.left = dict(self.levels), dict(self.left)
        return copied

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for the store."""
        balances = {team: [balance.seconds, balance.at] for team, balance in sorted(self.balances.items())}
        rates = dict(sorted(self.rates.items()))
        return {"balances": balances, "rates": rates, "since": self.since, "half_life_s": self.half_life_s}

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any] | None) -> Shares:
        """Inverse of `to_mapping`; nothing is nothing."""
        shares, known = cls(), data or {}
        for team, (seconds, at) in known.get("balances", {}).items():
            shares.balances[team] = Balance(float(seconds), float(at))
        shares.rates = {team: float(rate) for team, rate in known.get("rates", {}).items()}
        shares.since = float(known.get("since", 0.0))
        shares.half_life_s = float(known.get("half_life_s", shares.half_life_s))
        return shares


def entitlements(served: Mapping[str, int], waiting: Container[str], policy: Policy) -> dict[str, float]:
    """Slots that each team should have of those that are `served`, by weight; what one has no use for goes to the others."""
    parts: dict[str, float] = {}
    total, open_teams = float(sum(served.values())), {team: policy.weight_of(team) for team in served}
    playing = [team for team in served if team not in waiting]
    while open_teams:
        each = total / fsum(open_teams.values())  # the same in whatever order the teams came
        content = [team for team in playing if team in open_teams and served[team] <= each * open_teams[team]]
        if not content:
            return parts | {team: each * weight for team, weight in open_teams.items()}
        for team in content:
            parts[team] = float(served[team])
            total -= parts[team]
            del open_teams[team]
    return parts


def teams_that_ask(state: State) -> Collection[str]:
    """Teams with a job in line for which their own quotas of running jobs leave room. The others are kept by nobody else."""
    policy, line = state.policy, state.line
    most_of_user, most_of_team = policy.max_running_per_user, policy.max_running_per_team
    if most_of_user is None and most_of_team is None:
        return line.teams
    playing = [state.jobs[slot.job_id] for slot in state.slots if slot.job_id is not None and slot.lead is None]
    users, teams = Counter(job.user for job in playing), Counter(job.team for job in playing)
    full_users = {user for user, jobs in users.items() if most_of_user is not None and jobs >= most_of_user}
    full_teams = {team for team, jobs in teams.items() if most_of_team is not None and jobs >= most_of_team}
    asking = [team for team in line.teams if team not in full_teams and line.has_users_besides(team, full_users)]
    return dict.fromkeys(asking).keys()


def count_service(state: State, at: float) -> None:
    """Slots and line are as they will be for a while: this is how the balances change from now on. O(teams + slots)."""
    policy, served = state.policy, {}
    waiting = teams_that_ask(state) if policy.ordering == STANDARD and policy.fair_share_points else ()
    if waiting:
        served = dict.fromkeys(waiting, 0)
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
    playing = [state.jobs[slot.job_id] for slot in state.slots if slot.job_id is not None]  # a gang once per slot
    teams = sorted({*line.teams, *(job.team for job in playing)})
    usual = usual_weight(teams, policy)
    needed: dict[str, float] = {}
    shares.left = {}
    for job in playing:
        left_s = job.seconds_left * usual / policy.weight_of(job.team)
        shares.left[job.id] = shares.left.get(job.id, 0.0) + left_s
        needed[job.team] = needed.get(job.team, 0.0) + left_s
    shares.levels = {
        team: seconds * usual / policy.weight_of(team) + needed.get(team, 0.0)
        for team, seconds in shares.balances_at(teams, at).items()
    }
    least = min((shares.levels[team] for team in line.teams), default=0.0)
    line.handicaps = {team: handicap(level - least, policy) for team, level in shares.levels.items()}


def usual_weight(teams: Iterable[str], policy: Policy) -> float:
    """Of these teams' weights the one in the middle, which counts as 1: weights of 60 and 40 are those of 3 and 2."""
    if not policy.team_weights:
        return 1.0
    weights = sorted(policy.weight_of(team) for team in teams)
    return weights[(len(weights) - 1) // 2] if weights else 1.0


def handicap(excess_s: float, policy: Policy) -> float:
    """Points for an excess in GPU seconds of the usual weight: steep at first, always growing, never `fair_share_points`."""
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
    after = levels[victim.team] - state.shares.left.get(victim.id, 0.0)
    least = min(after, min((levels[team] for team in state.line.teams if team != victim.team), default=after))
    return handicap(after - least, policy) - handicap(levels[waiter.team] - least, policy)
