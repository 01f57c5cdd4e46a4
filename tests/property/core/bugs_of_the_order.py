"""Bugs planted into fair share, quotas, deadlines, reservations, sessions, warm roles and the cost of preemption."""

from __future__ import annotations

from typing import Any

from scheduler.core import admission, assignment, fair_share, ordering, preemption, quotas, reports, upkeep, usage
from scheduler.core.fleet import Slot
from scheduler.core.job import HoldReason, Job, JobState
from scheduler.core.policy import Policy
from scheduler.core.shares import Shares
from scheduler.core.state import State, Turn
from tests.property.core.bugs import Patch, bug


@bug
def usage_of_teams_is_not_charged(patch: Patch) -> None:
    patch.setattr(Shares, "count", lambda *_: None)


@bug
def work_that_kept_nobody_waiting_is_charged(patch: Patch) -> None:
    patch.setattr(fair_share, "teams_that_ask", lambda state: {"team0", "team1", "team2"})


@bug
def team_that_asks_for_nothing_gets_credit(patch: Patch) -> None:
    due = fair_share.entitlements
    patch.setattr(fair_share, "entitlements", lambda served, waiting, policy: due(served, served, policy))


@bug
def team_at_its_own_quota_gets_credit(patch: Patch) -> None:
    patch.setattr(fair_share, "teams_that_ask", lambda state: state.line.teams)


@bug
def balances_pass_over_weights(patch: Patch) -> None:
    due = fair_share.entitlements
    patch.setattr(fair_share, "entitlements", lambda served, waiting, _: due(served, waiting, Policy()))


@bug
def balances_are_lost_at_a_restart(patch: Patch) -> None:
    patch.setattr(Shares, "from_mapping", classmethod(lambda cls, data: cls()))


@bug
def fair_share_takes_no_points(patch: Patch) -> None:
    patch.setattr(fair_share, "handicap", lambda *_: 0.0)


@bug
def fair_share_has_no_bound(patch: Patch) -> None:
    patch.setattr(fair_share, "handicap", lambda excess_s, policy: max(0.0, 40.0 * excess_s))


@bug
def quota_of_running_jobs_is_overlooked(patch: Patch) -> None:
    patch.setattr(assignment, "full_stages", lambda *_: iter(()))


@bug
def quota_of_gpu_seconds_is_overlooked(patch: Patch) -> None:
    patch.setattr(admission, "spent_days", lambda *_: ())


@bug
def quota_of_gpu_seconds_forgets_what_runs(patch: Patch) -> None:
    patch.setattr(quotas, "running_seconds", lambda *_: 0.0)


@bug
def quota_of_gpu_seconds_forgets_ended_leases(patch: Patch) -> None:
    patch.setattr(usage.Spent, "add", lambda *_: None)


@bug
def promised_seconds_are_never_given_back(patch: Patch) -> None:
    promise = usage.Counts.promise
    patch.setattr(usage.Counts, "promise", lambda self, job, ms: promise(self, job, max(0, ms)))


@bug
def queue_of_a_team_is_not_counted(patch: Patch) -> None:
    full = quotas.full_queues
    patch.setattr(admission, "full_queues", lambda *args: (found for found in full(*args) if found.kind != "team"))


@bug
def deadline_is_forgotten(patch: Patch) -> None:
    patch.setattr(ordering, "clock_start", lambda job, policy: job.submitted_at)


@bug
def deadline_is_worth_whatever_it_takes(patch: Patch) -> None:
    def broken(job: Job, policy: Policy) -> float:
        return job.submitted_at if job.deadline is None else job.deadline - job.total_seconds - policy.deadline_lead_s

    patch.setattr(ordering, "clock_start", broken)


@bug
def warm_roles_are_preferred_whatever_it_costs(patch: Patch) -> None:
    def broken(self: Any, slot: Slot, job: Job) -> tuple[Job | None, dict[str, Any]]:
        for other in self.state.line.best_first():
            if other.id not in self.seated and other.role == slot.last_role != job.role and self._may_have(slot, other, job):
                return other, {}
        return None, {}

    patch.setattr(assignment._Desk, "_suits_better", broken)


@bug
def reserved_job_starts_before_its_time(patch: Patch) -> None:
    hold_for = State.hold_for

    def broken(self: State, job: Job, at: float, otherwise: HoldReason, ended: HoldReason | None = None) -> HoldReason:
        hold = hold_for(self, job, at, otherwise, ended)
        return HoldReason.WAITING_FOR_SLOT if hold is HoldReason.SCHEDULED else hold

    patch.setattr(State, "hold_for", broken)


@bug
def reserved_time_passes_unnoticed(patch: Patch) -> None:
    ring = upkeep._ring
    patch.setattr(upkeep, "_ring", lambda state, turn, job: job.hold is not HoldReason.SCHEDULED and ring(state, turn, job))


@bug
def giving_way_costs_nothing(patch: Patch) -> None:
    patch.setattr(preemption, "switch_cost", lambda *_: 0.0)


@bug
def lead_is_not_asked_for(patch: Patch) -> None:
    patch.setattr(preemption, "gain_over", lambda *_: 1e3)


@bug
def reserved_job_gives_way(patch: Patch) -> None:
    patch.setattr(Job, "outranks_margin", lambda self, urgent_priority: self.priority >= urgent_priority)


@bug
def part_of_a_session_does_not_wait_for_its_turn(patch: Patch) -> None:
    hold_for = State.hold_for

    def broken(self: State, job: Job, at: float, otherwise: HoldReason, ended: HoldReason | None = None) -> HoldReason:
        hold = hold_for(self, job, at, otherwise, ended)
        return HoldReason.WAITING_FOR_SLOT if hold is HoldReason.AWAITING_TURN else hold

    patch.setattr(State, "hold_for", broken)


@bug
def session_goes_on_without_its_part_that_failed(patch: Patch) -> None:
    pass_on = State._pass_on

    def broken(self: State, turn: Turn, ended: Job, follower: Job) -> None:
        state, ended.state = ended.state, JobState.SUCCEEDED
        pass_on(self, turn, ended, follower)
        ended.state = state

    patch.setattr(State, "_pass_on", broken)


@bug
def session_is_torn_apart_by_a_better_job(patch: Patch) -> None:
    rule = preemption.rule_against

    def broken(state: State, slot: Slot, victim: Job, waiter: Job, at: float) -> str | None:
        follows, victim.follows = victim.follows, ""
        follower = state.followers.pop(victim.id, None)
        found = rule(state, slot, victim, waiter, at)
        victim.follows = follows
        if follower is not None:
            state.followers[victim.id] = follower
        return found

    patch.setattr(preemption, "rule_against", broken)


@bug
def session_is_torn_apart_where_an_urgent_job_may_not_play(patch: Patch) -> None:
    may_play = assignment._may_play

    def broken(state: State, job: Job) -> bool:
        return job.outranks_margin(state.policy.urgent_priority) or may_play(state, job)

    patch.setattr(assignment, "_may_play", broken)


@bug
def next_part_of_a_session_stands_in_line_like_any_other(patch: Patch) -> None:
    patch.setattr(reports, "hand_over", lambda *_: False)
