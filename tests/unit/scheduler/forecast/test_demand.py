"""What is expected to be asked for: crowds that go on, nights that are quiet, and a young house's guess."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from itertools import pairwise, takewhile
from statistics import mean, stdev

import pytest

from scheduler.forecast.demand import FIRST_S, HORIZON_S, PIECE_S, WEEK_S, Coming, Demand
from scheduler.forecast.witness import Request

BLOCKS = 20
USUAL = 2.0  # blocks per second of a house that is half busy: six requests in a minute
Moments = list[float]


def _demand(moments: Moments) -> Demand:
    demand = Demand()
    for number, at in enumerate(moments):
        demand.submitted(
            Request(at=at, id=f"j{number}", role="a", team="t", user="u", priority=5, blocks=BLOCKS, preset="standard")
        )
    return demand


def _times(future: Coming, until: float) -> Moments:
    return [after for after, _ in takewhile(lambda one: one[0] < until, future)]


def _counts(demand: Demand, now: float, within: float, futures: int = 200) -> list[int]:
    """Submissions within so many seconds after now, future by future, the fewest first."""
    return sorted(len(_times(future, within)) for future in demand.spread(now, random.Random(1), futures, USUAL))


def _crowds(crowds: int, each: int, every_s: float) -> Moments:
    return [crowd * every_s + number for crowd in range(crowds) for number in range(each)]


def test_nothing_is_expected_where_nothing_was_ever_asked_for() -> None:
    assert [list(future) for future in Demand().spread(0.0, random.Random(1), 2, USUAL)] == [[], []]


def test_future_is_in_order_and_has_as_much_as_the_past_and_its_crowds() -> None:
    demand = _demand(_crowds(20, 10, 600.0))
    assert mean(_counts(demand, 11_900.0, 6_000.0)) == pytest.approx(100, rel=0.2)
    times = _times(demand.spread(11_900.0, random.Random(2), 1, USUAL)[0], 60_000.0)
    assert times == sorted(times) and len(times) > 500
    gaps = sorted(b - a for a, b in pairwise(times))
    assert gaps[len(gaps) // 2] < 5.0 < 100.0 < gaps[-1], "crowds, not an even trickle"


def test_every_submission_comes_up_as_often_as_every_other() -> None:
    demand, seen = _demand([number * 7.0 for number in range(20)]), Counter[str]()
    for future in demand.spread(133.0, random.Random(3), 300, USUAL):
        seen.update(request.id for _, request in takewhile(lambda one: one[0] < 2_000.0, future))
    assert len(seen) == 20 and max(seen.values()) < 1.25 * min(seen.values()), "the first and the last ones, too"


def test_crowd_that_has_begun_is_expected_to_go_on_and_one_that_is_over_is_not() -> None:
    crowds = _crowds(20, 10, 600.0)
    begun = [*crowds, *(12_000.0 + number for number in range(4))]
    assert mean(_counts(_demand(begun), 12_003.0, 10.0)) == pytest.approx(6, abs=1), "six of ten are still to come"
    assert mean(_counts(_demand(crowds), 11_500.0, 10.0)) < 1.0, "a hundred seconds after the last one"
    assert mean(_counts(_demand(crowds), 11_409.5, 10.0)) < 2.5, "just after the last one"


@pytest.mark.parametrize("nights", [False, True])
def test_crowd_among_chance_neighbours_is_known_by_how_far_it_has_come(nights: bool) -> None:
    source, moments = random.Random(7), [0.0]
    while moments[-1] < 14_400.0:
        moments.append(moments[-1] + source.expovariate(1 / 17.0))  # few seconds apart now and then
    for crowd in range(12):
        moments += [600.0 + 1_000.0 * crowd + source.expovariate(0.2) for _ in range(24)]
    begun = [*sorted(one for one in moments if one < 13_000.0), *(13_000.0 + 0.3 * number for number in range(5))]
    if nights:  # each hour of it was a working day
        begun = [one + 86_400.0 * (one // 3_600.0) for one in begun]
    assert 16.0 < mean(_counts(_demand(begun), begun[-1], 40.0)) < 23.0, "19 of the crowd are still to come, and two others"


def test_steady_demand_of_hours_is_expected_to_go_on() -> None:
    counts = _counts(_demand([number * 12.0 for number in range(600)]), 7_200.0, 600.0)
    assert counts[20] >= 38 and counts[100] == pytest.approx(50, abs=2) and counts[-20] <= 62


def test_quiet_evening_after_a_busy_day_is_expected_to_stay_quiet() -> None:
    day = [number * 12.0 for number in range(2_400)]  # eight hours
    assert mean(_counts(_demand(day), day[-1] + 60.0, 600.0)) > 40
    assert mean(_counts(_demand(day), day[-1] + 3 * 3_600.0, 600.0)) < 8, "three hours later"


def test_after_a_week_the_hour_of_the_week_tells() -> None:
    hours = [day * 86_400.0 + number * 12.0 for day in range(9) for number in range(300)]  # one hour of each day
    demand, early = _demand(hours), 9 * 86_400.0 - 1_200.0
    assert mean(_counts(demand, early, 600.0)) < 12 < 25 < mean(_counts(demand, early + 1_200.0, 600.0))


@pytest.mark.parametrize("jobs", [10, 30, 60])
def test_first_crowd_of_a_young_house_is_not_its_daily_rate(jobs: int) -> None:
    demand = _demand([number * 50.0 / jobs for number in range(jobs)])
    usual = 120
    counts = _counts(demand, 60.0, 1_200.0, futures=400)
    assert 0.5 * jobs < counts[200] < 1.5 * usual, "about as a house is usually asked, not crowd after crowd"
    assert counts[20] < 0.5 * usual and counts[380] > (2.0 if jobs < 30 else 2.5) * usual, "nobody knows yet"
    assert mean(_counts(demand, 1_260.0, 60.0)) < 0.25 * jobs, "twenty quiet minutes are part of what was seen"
    assert mean(_counts(demand, 6 * 3_600.0, 1_200.0)) < 0.2 * usual, "six quiet hours are part of what was seen"


def test_few_submissions_are_enough_for_a_guess() -> None:
    counts = _counts(_demand([0.0, 30.0]), 30.0, 600.0)
    assert counts[10] < 30 < 90 < counts[-10]


def test_house_asked_once_a_day_is_foretold_as_fast_as_a_busy_one() -> None:
    demand = _demand([number * 86_400.0 for number in range(40)])
    pieces: list[float] = []
    draw: Callable[..., float] = demand._moment
    demand._moment = lambda *where: pieces.append(0.0) or draw(*where)  # type: ignore[method-assign, func-returns-value]
    counts = _counts(demand, 39 * 86_400.0 + 60.0, WEEK_S, futures=20)
    assert mean(counts) == pytest.approx(7, abs=2.5) and len(pieces) < 20 * 30, "a piece is as long as a gap, not a minute"


@pytest.mark.parametrize("hours", [18.0, 30.0, 60.0, 160.0])
def test_futures_end_after_a_quiet_day_or_two(hours: float) -> None:
    demand = _demand([number * 60.0 for number in range(100)])
    for future in demand.spread(6_000.0 + hours * 3_600.0, random.Random(5), 100, USUAL):
        times = [after for after, _ in future]
        assert times == sorted(times) and (not times or times[-1] < 2.0 * HORIZON_S)


def test_first_seconds_of_a_house_are_not_many_times_in_the_next_minute() -> None:
    demand = _demand([number / 1_000.0 for number in range(500)])
    seen = Counter(request.id for after, request in demand._pieces(0.5, 0.5, 1.0, random.Random(6)) if after < FIRST_S + PIECE_S)
    assert len(seen) == 500 and set(seen.values()) == {1}


def test_futures_drawn_together_stray_less_than_as_many_drawn_alone() -> None:
    source, moments, at = random.Random(4), [], 0.0
    for number in range(400):
        at += source.expovariate(0.02 if number // 50 % 2 else 0.2)  # busy and quiet hours
        moments.append(at)
    demand = _demand(moments)

    def told(futures: list[Coming]) -> float:
        return mean(len(_times(future, 40.0)) for future in futures)

    alone = [told([demand.spread(at, source, 1, USUAL)[0] for _ in range(12)]) for _ in range(100)]
    together = [told(demand.spread(at, source, 12, USUAL)) for _ in range(100)]
    assert stdev(together) < 0.75 * stdev(alone)
    assert mean(together) == pytest.approx(mean(alone), rel=0.15)


def test_one_quiet_night_in_a_young_house_does_not_exclude_a_morning() -> None:
    demand = _demand([number * 30.0 for number in range(120)])  # one busy hour
    futures = demand.spread(25 * 3_600.0, random.Random(5), 100, USUAL)
    assert sum(next(future, None) is not None for future in futures) > 60, "most futures ask for something again"


def test_mean_has_every_block_once() -> None:
    demand = _demand([number * 60.0 for number in range(30)])  # one submission in each minute: no minute strays
    level = demand._level
    level.reach(1_800.0)
    assert level._mean() == BLOCKS and level._strays == 0.0


def test_forgotten_submissions_are_gone_from_all_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scheduler.forecast.demand.REMEMBERED", 40)
    demand = _demand([number * 10.0 for number in range(75)])
    assert len(demand.latest(100)) == 35 and demand._blocks == 35 * BLOCKS
    assert mean(_counts(demand, 740.0, 600.0)) == pytest.approx(60, rel=0.25)
