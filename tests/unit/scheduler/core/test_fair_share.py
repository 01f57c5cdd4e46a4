"""Fair share, deadlines and the orderings to compare with."""

from __future__ import annotations

import json
from math import log
from typing import Any

import pytest

from scheduler.core import events, machine
from scheduler.core.actions import MoveJob
from scheduler.core.fair_share import entitlements, handicap
from scheduler.core.ordering import clock_start, queue_order, sort_key
from scheduler.core.policy import Policy
from scheduler.core.shares import Shares
from scheduler.core.state import State
from tests.unit.scheduler.core.studio import Studio


def balance_of(shares: Shares, team: str, at: float) -> float:
    """GPU seconds above what the team was entitled to."""
    return shares.balances_at((team,), at)[team]


def served(studio: Studio, jobs: int, seconds: float = 10.0) -> list[str]:
    """Teams in the order in which the one slot's jobs were finished, each after so many seconds."""
    teams = []
    for _ in range(jobs):
        job_id = studio.running()[0]
        teams.append(studio.job(job_id).team)
        studio.at += seconds
        studio.finish(job_id)
    return teams


def flood(studio: Studio, team: str, jobs: int, **more: Any) -> None:
    for number in range(jobs):
        studio.submit(f"{team}{number}", team=team, user=team, **more)


def test_two_teams_with_equal_weights_take_turns_though_one_was_there_first() -> None:
    studio = Studio(ageing_per_s=0.0)
    flood(studio, "education", 20)
    flood(studio, "market", 20)
    order = served(studio, 20)
    assert abs(order.count("education") - order.count("market")) <= 2


def test_weights_share_the_slots_in_their_proportion() -> None:
    studio = Studio(ageing_per_s=0.0, team_weights={"education": 3})
    flood(studio, "education", 40)
    flood(studio, "market", 40)
    order = served(studio, 40)
    assert order.count("education") == pytest.approx(30, abs=2)


def test_a_team_that_was_away_brings_no_credit() -> None:
    studio = Studio(ageing_per_s=0.0)
    flood(studio, "education", 60)
    served(studio, 30)
    flood(studio, "market", 30)
    order = served(studio, 20)
    assert order.count("market") == pytest.approx(10, abs=1)


def test_what_a_team_missed_while_it_waited_is_made_up_for_after_it_was_away() -> None:
    studio = Studio(ageing_per_s=0.0)
    flood(studio, "education", 30)
    studio.submit("m0", team="market", user="market")
    studio.at += 100.0  # the market waits while the first of education plays
    for job_id in ("education0", "m0"):
        studio.finish(job_id)
    flood(studio, "market", 30)
    order = served(studio, 10)
    assert order.count("market") >= 9
    assert sum(balance_of(studio.state.shares, team, studio.at) for team in ("education", "market")) == pytest.approx(0.0)


def test_balances_are_forgotten_by_half_lives_and_what_counts_since_comes_on_top() -> None:
    shares = Shares()
    shares.count({"education": 0.5, "market": -0.5}, 0.0, 1e9)
    assert balance_of(shares, "education", 6.0) == pytest.approx(3.0)
    shares = Shares()
    shares.count({"education": 0.5, "market": -0.5}, 0.0, 60.0)
    lasts_s = 60.0 / log(2.0)
    assert balance_of(shares, "education", 60.0) == pytest.approx(0.25 * lasts_s)
    shares.count({}, 60.0, 60.0)
    assert balance_of(shares, "education", 120.0) == pytest.approx(0.125 * lasts_s)
    shares.count({"market": 1.0}, 120.0, 60.0)
    kept = Shares.from_mapping(json.loads(json.dumps(shares.to_mapping())))
    assert balance_of(kept, "market", 150.0) == balance_of(shares, "market", 150.0)
    assert balance_of(kept, "market", 1e6) == pytest.approx(lasts_s)  # a rate that never ends is bounded


def test_what_was_forgotten_does_not_come_back_with_a_longer_half_life_also_after_a_restart() -> None:
    shares = Shares()
    shares.count({"education": 1.0, "market": -1.0}, 0.0, 60.0)
    shares.count({}, 600.0, 60.0)
    kept = Shares.from_mapping(json.loads(json.dumps(shares.to_mapping())))
    for one in (shares, kept):
        one.count({}, 86_400.0, 1e9)  # the policy has changed
        assert abs(balance_of(one, "education", 86_400.0)) < 1e-9


def test_who_asked_once_is_not_written_down_for_ever() -> None:
    shares = Shares()
    for number in range(50):
        shares.count({f"team{number}": 0.5, "market": -0.5}, 10.0 * number, 60.0)
    shares.count({}, 500.0, 60.0)
    assert len(shares.to_mapping()["balances"]) == 51
    shares.count({"education": 0.5, "market": -0.5}, 86_400.0, 60.0)
    assert sorted(shares.to_mapping()["balances"]) == ["market"]  # its balance goes on


@pytest.mark.parametrize("half_life_s", [1.0, 1.7e308])
def test_the_shortest_and_the_longest_half_life_make_numbers(half_life_s: float) -> None:
    shares = Shares()
    shares.count({"education": 1.0}, 1.0, half_life_s)
    shares.count({}, 1e10, half_life_s)
    assert 0.0 <= balance_of(shares, "education", 2e10) <= 1e10
    json.dumps(shares.to_mapping(), allow_nan=False)


def test_a_store_of_the_time_before_balances_is_read() -> None:
    shares = Shares.from_mapping({"settled": {"education": [12.0, 1_000.0]}, "spent": {"day": 1, "ms": []}})
    assert shares.to_mapping() == Shares().to_mapping()


@pytest.mark.parametrize(
    ("served_slots", "waiting", "expected"),
    [
        ({"a": 1, "b": 0}, {"b"}, {"a": 0.75, "b": 0.25}),  # a plays its last job: it had its turn, and weighs three times b
        ({"a": 1, "b": 3}, {"b"}, {"a": 1.0, "b": 3.0}),  # a has no use for more
        ({"b": 1, "c": 3, "d": 0}, {"c", "d"}, {"b": 1.0, "c": 1.5, "d": 1.5}),
    ],
)
def test_what_a_team_has_no_use_for_goes_to_the_others(
    served_slots: dict[str, int], waiting: set[str], expected: dict[str, float]
) -> None:
    assert entitlements(served_slots, waiting, Policy(team_weights={"a": 3})) == pytest.approx(expected)


def test_parts_are_the_same_to_the_last_bit_in_whatever_order_the_teams_came() -> None:
    policy = Policy(team_weights={"a": 0.1, "b": 0.2, "c": 0.3})
    there, back = (dict.fromkeys(order, 1) for order in ("abc", "cba"))
    assert entitlements(there, there, policy) == entitlements(back, back, policy)


def test_only_the_proportion_of_weights_counts() -> None:
    handicaps = []
    for weights in ({"education": 3, "market": 2}, {"education": 60, "market": 40}):
        studio = Studio(ageing_per_s=0.0, team_weights=weights)
        flood(studio, "education", 20)
        flood(studio, "market", 20)
        served(studio, 5)
        handicaps.append(dict(studio.state.line.handicaps))
    assert handicaps[0] == pytest.approx(handicaps[1])


@pytest.mark.parametrize("quota", ["max_running_per_user", "max_running_per_team"])
def test_a_team_that_its_own_quota_keeps_from_a_slot_gets_no_credit_for_it(quota: str) -> None:
    studio = Studio(slots=3, ageing_per_s=0.0, **{quota: 1})
    studio.submit("m0", team="market", user="market")
    studio.submit("m1", team="market", user="market")
    for number, team in enumerate(("education", "news", "news")):
        studio.submit(f"e{number}", team=team, user=f"user{number}")
    studio.submit("e3", team="education", user="user3")
    rates = studio.state.shares.rates
    assert rates.get("market", 0.0) == 0.0
    studio.at += 100.0
    assert balance_of(studio.state.shares, "market", studio.at) == 0.0


def test_work_that_kept_nobody_waiting_is_not_charged() -> None:
    studio = Studio(slots=2, ageing_per_s=0.0)
    flood(studio, "education", 1)
    served(studio, 1, seconds=1000.0)
    flood(studio, "education", 2)
    studio.at += 500.0
    studio.submit("m0", team="market", user="market")
    assert studio.state.line.handicaps["education"] < 180.0 * 0.5  # what it still needs, nothing of what was
    assert balance_of(studio.state.shares, "education", studio.at) == 0.0


def test_a_gang_is_charged_for_each_of_its_slots() -> None:
    studio = Studio(state=State(Policy(ageing_per_s=0.0), 2, gang_slots=2), slots=2)
    studio.submit("g0", team="education", slots_needed=2)
    studio.submit("m0", team="market", user="market")
    assert studio.state.shares.rates == {"education": 1.0, "market": -1.0}


def test_the_time_without_a_daemon_is_charged_to_nobody() -> None:
    studio = Studio(ageing_per_s=0.0, fair_share_half_life_s=1e9)
    studio.submit("e0", team="education")
    studio.submit("m0", team="market", user="market")
    kept = State.restore(studio.state.policy, 1, studio.state.jobs.values(), shares=studio.state.shares.copy())
    until = max(job.lease_until for job in studio.state.jobs.values()) - studio.at
    machine.step(kept, events.Booted(at=studio.at + 86_400.0))
    assert balance_of(kept.shares, "education", kept.now) == pytest.approx(0.5 * until, rel=1e-3)  # of a day


def test_handicap_grows_with_the_excess_and_stays_below_its_bound() -> None:
    policy = Policy(fair_share_points=100.0, fair_share_scale_s=50.0)
    points = [handicap(excess, policy) for excess in (-5.0, 0.0, 50.0, 500.0, 1e9)]
    assert points[:3] == [0.0, 0.0, 50.0]
    assert points == sorted(points) and points[-1] <= 100.0


def test_fair_share_never_takes_the_slot_of_a_running_job() -> None:
    studio = Studio()
    studio.submit("a0", team="education", total_blocks=400)
    studio.start("a0", blocks=5)
    studio.submit("b0", team="market", user="market")
    assert studio.running() == ["a0"] and not studio.job("a0").preemptions


def test_a_job_gives_way_only_where_the_slot_would_not_come_back_to_it() -> None:
    studio = Studio(slots=2, ageing_per_s=0.0)
    flood(studio, "education", 3, total_blocks=4000)
    studio.submit("m0", team="market", user="market", total_blocks=4000)
    studio.start("education0", blocks=3)
    studio.start("education1", blocks=3)
    studio.finish("education1")
    assert studio.running() == ["education0", "m0"]
    studio.start("m0", blocks=3)
    # 25 points ahead, but its team has had more: the slot of m0 would go back to m0
    studio.submit("education9", team="education", user="education", priority=35, total_blocks=4000)
    assert studio.running() == ["education0", "m0"]
    assert studio.job("m0").preemptions == 0 and studio.job("education0").preemptions == 1


def test_an_urgent_job_of_the_heaviest_team_still_goes_first() -> None:
    studio = Studio(ageing_per_s=0.0)
    flood(studio, "education", 5)
    served(studio, 4, seconds=1000.0)
    studio.submit("m0", team="market", user="market")
    studio.submit("e9", team="education", priority=100)
    studio.stop("education4")
    assert studio.running() == ["e9"]


def test_deadline_lets_a_job_go_before_others_that_wait_longer() -> None:
    studio = Studio()
    studio.submit("j0")
    studio.submit("j1")
    studio.at += 100
    studio.submit("j2", deadline=studio.at + 600)
    studio.finish("j0")
    assert studio.running() == ["j2"]
    terms = studio.all(MoveJob)[1].body["terms"]
    assert terms["deadline"] == 50.0 and terms["score"] == 60.0


def test_deadline_far_away_is_worth_nothing_yet_and_a_near_one_no_more_than_its_points() -> None:
    studio = Studio(are_ready=False, deadline_lead_s=600.0, deadline_points=20.0, ageing_per_s=0.1)
    policy = studio.state.policy
    studio.submit("j0", deadline=studio.at + 86_400)
    studio.submit("j1", deadline=studio.at + 500 + 8 * 0.48)
    studio.submit("j2", deadline=studio.at + 1)
    jobs = [studio.job(name) for name in ("j0", "j1", "j2")]
    starts = [clock_start(job, policy) - studio.at for job in jobs]
    assert starts == [0.0, pytest.approx(-100.0), pytest.approx(-200.0)]
    assert queue_order(jobs, studio.at, policy) == [jobs[2], jobs[1], jobs[0]]


@pytest.mark.parametrize(
    ("ordering", "expected"),
    [("fifo", ["j1", "j2", "j3"]), ("priority", ["j2", "j3", "j1"]), ("shortest", ["j3", "j1", "j2"])],
)
def test_orderings_to_compare_with_know_one_thing_only(ordering: str, expected: list[str]) -> None:
    studio = Studio(ordering=ordering)
    studio.submit("j0")
    studio.submit("j1", priority=5, team="market")
    studio.submit("j2", priority=100, total_blocks=9)
    studio.submit("j3", priority=99, total_blocks=3, deadline=studio.at + 1)
    assert studio.running() == ["j0"]  # nobody gives way
    seen = []
    studio.finish("j0")
    while studio.state.jobs:
        seen.append(studio.running()[0])
        studio.finish(seen[-1])
    assert seen == expected


def test_static_keys_do_not_change_while_a_job_waits() -> None:
    studio = Studio(are_ready=False)
    studio.submit("j0", deadline=studio.at + 5_000)
    before = sort_key(studio.job("j0"), studio.state.policy)
    studio.tick(4_000)
    assert sort_key(studio.job("j0"), studio.state.policy) == before


@pytest.mark.parametrize("is_paused", [False, True])
def test_who_had_much_and_is_not_in_line_is_told_how_many_go_before_it(is_paused: bool) -> None:
    studio = Studio(ageing_per_s=0.0)
    studio.submit("e0", team="education", user="education")
    flood(studio, "market", 4)
    studio.at += 300.0
    studio.finish("e0")
    if is_paused:
        studio.feed(events.QueuePaused(at=studio.at))
    actions = studio.submit("e1", team="education", user="education", priority=12)
    told = next(move.body["decision"]["text"]["en"] for move in actions if isinstance(move, MoveJob) and "decision" in move.body)
    assert studio.state.line.place("e1") == (4, 4), "the market missed 300 s: two points of priority do not make up for that"
    assert told.endswith("3 jobs in line before it.")
