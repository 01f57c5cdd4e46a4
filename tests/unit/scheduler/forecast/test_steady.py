"""Shown figures tremble less than the looks they come from, jump where something happened, and say what that was."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest

from scheduler.core import events
from scheduler.core.state import State
from scheduler.forecast.ranges import Estimate, Range
from scheduler.forecast.steady import FAR_S, Settled, Steady
from tests.unit.scheduler.core.studio import Studio


def _looks(ends: dict[str, float], spread: float = 10.0) -> dict[str, Estimate]:
    return {
        name: Estimate(start=Range(end - 20.0, end - 15.0, end - 10.0), finish=Range(end - spread, end, end + spread), runs=9)
        for name, end in ends.items()
    }


def _end(settled: dict[str, Settled], name: str, state: State) -> float:
    shown = settled[name].estimate
    assert shown is not None
    return state.now + shown.finish.p50


@pytest.fixture
def studio() -> Studio:
    """One video plays, two wait."""
    studio = Studio(slots=1)
    for name in ("plays", "next", "after"):
        studio.submit(name)
    studio.start("plays", blocks=2)
    return studio


def test_chance_moves_what_is_shown_far_less_than_the_looks(studio: Studio) -> None:
    source, steady, end = random.Random(3), Steady(), studio.state.now + 600.0
    told, shown = [], []
    for _ in range(300):
        studio.state.now += 1.0
        look = end + source.gauss(0.0, 30.0)
        settled = steady.settle(studio.state, _looks({"next": look - studio.state.now}))
        told.append(look)
        shown.append(_end(settled, "next", studio.state))
    jumps = [max(abs(b - a) for a, b in pairwise(row)) for row in (told, shown)]
    assert jumps[1] < 0.1 * jumps[0]
    assert sum(shown) / 300 == pytest.approx(end, abs=8.0), "no bias"


def test_lasting_change_without_an_event_is_followed_and_told_as_pace(studio: Studio) -> None:
    steady, end = Steady(), studio.state.now + 160.0
    steady.settle(studio.state, _looks({"next": 100.0}))
    for _ in range(60):
        studio.state.now += 1.0
        settled = steady.settle(studio.state, _looks({"next": end - studio.state.now}))
    moved = settled["next"].moved
    assert moved is not None and (moved.cause, moved.count) == ("pace", 0) and moved.by_s > FAR_S
    assert _end(settled, "next", studio.state) == pytest.approx(end, abs=3.0)


def test_video_that_comes_ahead_is_told_to_those_behind_it_alone(studio: Studio) -> None:
    steady = Steady()
    steady.settle(studio.state, _looks({"plays": 50.0, "next": 100.0, "after": 150.0}))
    studio.submit("urgent", priority=90)
    settled = steady.settle(studio.state, _looks({"plays": 51.0, "urgent": 90.0, "next": 160.0, "after": 220.0}))
    for name, end in (("next", 160.0), ("after", 220.0)):
        moved = settled[name].moved
        assert moved is not None and (moved.cause, moved.count) == ("overtaken", 1)
        assert moved.by_s == pytest.approx(60.0, abs=15.0)
        assert _end(settled, name, studio.state) == pytest.approx(studio.state.now + end), "it jumps there at once"
    assert settled["plays"].moved is None and settled["urgent"].moved is None


def test_video_ahead_that_is_cancelled_is_told_but_not_one_whose_turn_has_come(studio: Studio) -> None:
    steady = Steady()
    steady.settle(studio.state, _looks({"plays": 50.0, "next": 100.0, "after": 150.0}))
    studio.cancel("next")
    settled = steady.settle(studio.state, _looks({"plays": 50.0, "after": 100.0}))
    moved = settled["after"].moved
    assert moved is not None and (moved.cause, moved.count) == ("ahead_left", 1) and moved.by_s < 0
    studio.submit("last")
    steady.settle(studio.state, _looks({"plays": 50.0, "after": 100.0, "last": 150.0}))
    studio.finish("plays")
    studio.start("after")
    studio.state.now += 45.0
    settled = steady.settle(studio.state, _looks({"after": 60.0, "last": 60.0}))
    assert settled["last"].moved is None or settled["last"].moved.cause != "ahead_left", "its turn had come"


@pytest.mark.parametrize("way", ["cancelled", "failed", "paused"])
def test_video_that_plays_and_ends_too_soon_lets_those_behind_it_jump_at_once(studio: Studio, way: str) -> None:
    steady = Steady()
    steady.settle(studio.state, _looks({"plays": 7_200.0, "next": 7_320.0, "after": 7_440.0}))
    if way == "failed":
        studio.fail("plays", can_retry=False)
    else:
        studio.cancel("plays") if way == "cancelled" else studio.pause("plays")
        studio.stop("plays")
    studio.state.now += 1.0
    settled = steady.settle(studio.state, _looks({"next": 120.0, "after": 240.0}))
    assert settled["after"].estimate is not None and settled["after"].estimate.finish.p50 == pytest.approx(240.0)
    assert settled["after"].moved is not None and settled["after"].moved.cause == "ahead_left"


def test_time_that_is_reserved_and_given_up_is_told_to_those_who_wait(studio: Studio) -> None:
    steady = Steady()
    steady.settle(studio.state, _looks({"plays": 50.0, "next": 700.0}))
    studio.submit("reserved", start_at=studio.at + 3_600.0)
    assert "reserved" in studio.state.scheduled
    settled = steady.settle(studio.state, _looks({"plays": 50.0, "next": 4_300.0}))
    moved = settled["next"].moved
    assert moved is not None and (moved.cause, moved.count) == ("overtaken", 1) and settled["plays"].moved is None
    studio.cancel("reserved")
    settled = steady.settle(studio.state, _looks({"plays": 50.0, "next": 700.0}))
    assert settled["next"].moved is not None and settled["next"].moved.cause == "ahead_left"


def test_without_a_reason_a_great_change_is_followed_within_a_part_of_what_is_left_and_a_clock_set_back_does_no_harm(
    studio: Studio,
) -> None:
    steady = Steady()
    steady.settle(studio.state, _looks({"next": 7_200.0}))
    end = studio.state.now + 240.0
    for _ in range(60):
        studio.state.now += 1.0
        settled = steady.settle(studio.state, _looks({"next": end - studio.state.now}))
    assert _end(settled, "next", studio.state) - end < 700.0, "a tenth of the way from two hours after a quarter of the time"
    studio.state.now -= 3_600.0
    settled = steady.settle(studio.state, _looks({"next": 60.0}))
    assert settled["next"].estimate is not None and 0.0 <= settled["next"].estimate.finish.p50 < 20_000.0


def test_lost_slot_and_its_return_are_told(studio: Studio) -> None:
    steady = Steady()
    steady.settle(studio.state, _looks({"next": 100.0}))
    studio.lose()
    settled = steady.settle(studio.state, _looks({"next": 300.0}))
    assert settled["next"].moved is not None and settled["next"].moved.cause == "slots_fewer"
    studio.ready()
    settled = steady.settle(studio.state, _looks({"next": 120.0}))
    assert settled["next"].moved is not None and settled["next"].moved.cause == "slots_more"


def test_what_happened_to_the_video_itself_comes_first() -> None:
    studio, steady = Studio(slots=1), Steady()
    studio.submit("mine", priority=5)
    studio.start("mine", blocks=30)
    steady.settle(studio.state, _looks({"mine": 60.0}))
    studio.submit("urgent", priority=100)
    studio.stop("mine")
    settled = steady.settle(studio.state, _looks({"mine": 160.0}))
    assert settled["mine"].moved is not None and settled["mine"].moved.cause == "preempted"
    studio.feed(events.PriorityChanged(at=studio.state.now, job_id="mine", priority=50))
    settled = steady.settle(studio.state, _looks({"mine": 60.0}))
    assert settled["mine"].moved is not None and settled["mine"].moved.cause == "priority"


def test_when_a_video_goes_on_is_shown_as_steadily_as_when_it_ends() -> None:
    studio, steady = Studio(slots=1), Steady()
    studio.submit("mine")
    plain, shown = _looks({"mine": 400.0})["mine"], []
    for again_s in (None, 60.0, 90.0, 20.0):
        again = None if again_s is None else Range(again_s - 5.0, again_s, again_s + 5.0)
        estimate = steady.settle(studio.state, {"mine": replace(plain, goes_on=again)})["mine"].estimate
        assert estimate is not None
        shown.append(estimate.goes_on)
        studio.state.now += 1.0
    assert shown[:2] == [None, Range(55.0, 60.0, 65.0)], "told at once"
    later = [one.p50 for one in shown[2:] if one is not None]
    assert 58.0 < later[0] < 62.0 and 54.0 < later[1] < 60.0, "a second on, and hardly moved by a look"


def test_nothing_that_is_to_come_is_shown_in_the_past(studio: Studio) -> None:
    steady = Steady()
    steady.settle(studio.state, _looks({"next": 20.0}, spread=19.0))
    studio.state.now += 15.0
    settled = steady.settle(studio.state, _looks({"next": 40.0}, spread=19.0))
    shown = settled["next"].estimate
    assert shown is not None and shown.start.p10 >= 0.0 and 0.0 <= shown.finish.p10 <= shown.finish.p50 <= shown.finish.p90
    running = replace(_looks({"plays": 30.0})["plays"], start=Range(-9.0, -9.0, -9.0))
    settled = steady.settle(studio.state, {"plays": running})
    assert settled["plays"].estimate is not None and settled["plays"].estimate.start.p50 == pytest.approx(-9.0)


def test_video_that_gives_way_is_not_gone_for_those_behind_it() -> None:
    studio, steady = Studio(slots=1), Steady()
    studio.submit("mine", priority=5)
    studio.start("mine", blocks=30)
    studio.submit("behind", priority=1)
    steady.settle(studio.state, _looks({"mine": 600.0, "behind": 700.0}))
    studio.submit("urgent", priority=100)
    studio.stop("mine")
    settled = steady.settle(studio.state, _looks({"urgent": 300.0, "mine": 900.0, "behind": 1_000.0}))
    moved = settled["behind"].moved
    assert moved is not None and moved.cause == "overtaken"
