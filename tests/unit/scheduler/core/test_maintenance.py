"""When weekly windows close: those that follow one another are one."""

from __future__ import annotations

import pytest

from scheduler.core.maintenance import DAY_S, DAYS, EPOCH_S, WEEK_S, closed_s, closes_at, parse_window, turns_at

MONDAY = 100 * WEEK_S - EPOCH_S  # some Monday 00:00 UTC


def _at(day: str, hour: float) -> float:
    return MONDAY + DAYS.index(day) * DAY_S + hour * 3600.0


def test_night_that_is_written_as_two_windows_closes_in_the_morning() -> None:
    windows = [parse_window("sat 22:00-00:00"), parse_window("sun 00:00-04:00 slots 0")]
    assert closes_at(windows, 0, _at("sat", 23.0)) == _at("sun", 4.0)
    assert closes_at(windows, 1, _at("sat", 23.0)) == _at("sun", 0.0), "the second is for slot 0 alone"
    assert closes_at(windows, 0, _at("sat", 21.0)) is None


def test_windows_that_overlap_close_with_the_last_and_what_never_closes_is_bounded() -> None:
    windows = [parse_window("mon 10:00-11:00"), parse_window("mon 10:30-12:00")]
    assert closes_at(windows, 0, _at("mon", 10.75)) == _at("mon", 12.0)
    assert parse_window("sat 22:00-24:00") == parse_window("sat 22:00-00:00"), "as the window of a plan is written"
    always = [parse_window(f"{day} 00:00-00:00") for day in DAYS]
    until = closes_at(always, 0, _at("wed", 5.0))
    assert until is not None and _at("wed", 5.0) + WEEK_S <= until <= _at("wed", 5.0) + WEEK_S + DAY_S


def test_seconds_that_maintenance_takes_are_those_of_its_minutes() -> None:
    texts = ("sun 23:50-00:20", "mon 00:10-00:30 slots 1", "mon 00:40-00:50", "mon 00:45-01:00")
    windows = [parse_window(text) for text in texts]
    since = _at("sun", 23.0)
    for slot in (0, 1):
        for first, last in ((0, 180), (55, 65), (100, 101), (115, 170), (121, 170), (0, 3 * 7 * 1440)):
            minutes = sum(closes_at(windows, slot, since + 60 * minute) is not None for minute in range(first, last))
            assert closed_s(windows, slot, since + 60 * first, since + 60 * last) == 60 * minutes, (slot, first, last)
    assert closed_s([], 0, since, since + 900) == 0.0
    assert closed_s([parse_window("sun 00:00-00:00 slots 1")], 0, since, since + 900) == 0.0


def test_window_that_begins_in_less_than_can_be_reckoned_has_begun() -> None:
    window = parse_window("thu 00:20-00:30")  # 1,200 s after the clock's beginning
    just_before = 1200.0 - 5e-11
    assert window.opens_in_s(just_before) > 0.0, "else nobody who looks for its begin gets on"
    assert window.ends_at(just_before) == pytest.approx(1800.0)
    assert closed_s([window], 0, just_before, 1300.0) == pytest.approx(100.0)


def test_next_turn_is_the_end_of_an_open_window_or_the_beginning_of_the_next() -> None:
    windows = [parse_window("sat 03:00-04:30"), parse_window("mon 10:00-11:00 slots 1")]
    assert turns_at(windows, _at("sat", 3.0)) == _at("sat", 4.5)
    assert turns_at(windows, _at("sat", 4.5)) == _at("sat", 4.5) + (24 + 19.5 + 10) * 3600
    assert turns_at([], _at("sat", 3.0)) == float("inf")
