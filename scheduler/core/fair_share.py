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
from math import fsum

from scheduler.core.job import Job
from scheduler.core.policy import STANDARD, Policy
from scheduler.core.state import State


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


def weigh_teams(state: State, at: float, joining: str | None = None) -> None:
    """Bring the points that fair share takes from each team up to date: O(teams + slots).

    `joining`: a team that will stand in line at the end of this step, whether it does already or not.
    """
    policy, shares, line = state.policy, state.shares, state.line
    if policy.ordering != STANDARD or not policy.fair_share_points:
        line.handicaps, shares.levels, shares.left = {}, {}, {}
        return
    playing = [state.jobs[slot.job_id] for slot in state.slots if slot.job_id is not None]  # a gang once per slot
    in_line = line.teams if joining is None else {*line.teams, joining}
    teams = sorted({*in_line, *(job.team for job in playing)})
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
    least = min((shares.levels[team] for team in in_line), default=0.0)
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
