"""The search for changes: it finds the nearest time that fits, plays a bounded number of days, and says what it tried."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from scheduler.plan import report
from scheduler.plan.changes import Search, _greatest
from scheduler.plan.entry import DayPlan, Entry
from scheduler.plan.played import Stage
from scheduler.plan.simulated import play
from scheduler.plan.studio import Studio
from tests.unit.scheduler.plan.rig import calendar, plan, studio

SHORT = 'role: teacher, user: a, window: "10:00-10:05", count: 4, length: 90, fill: loop'  # 180 s of computing each


def stage_of(wanted: DayPlan, house: Studio) -> Stage:
    """The plan's day in this house."""
    return Stage(house, calendar(wanted, house), play)


def fits(stage: Stage, wanted: DayPlan, changed: Entry) -> bool:
    """Does the whole plan fit with this entry in place of its own?"""
    return not stage.day(tuple(changed if changed.number == one.number else one for one in wanted.entries)).misfits()


@pytest.mark.parametrize("count", [12, 30, 40])
def test_nearest_end_that_fits_is_found_though_more_time_spreads_the_wishes(count: int, tmp_path: Path) -> None:
    house, wanted = studio(tmp_path, slots=2), plan(SHORT.replace("count: 4", f"count: {count}"))
    stage = stage_of(wanted, house)
    changes = Search(stage, 40).changes(stage.day(wanted.entries), 1)
    (found,) = [change.entry for change in changes if change.kind == "extend"]
    assert fits(stage, wanted, found)
    nearer = range(10 * 60 + 15, found.closes_min, 15)
    assert nearer and not any(fits(stage, wanted, dataclasses.replace(found, closes_min=end)) for end in nearer)


@pytest.mark.parametrize("window", ["11:00-11:10", "10:10-10:20", "13:00-13:10"])
def test_nearest_window_elsewhere_that_fits_is_found(window: str, tmp_path: Path) -> None:
    """Between ten and a quarter past fourteen the house is full but for a gap at half past twelve."""
    crowds = [f'role: teacher, user: a, window: "{one}", count: 45' for one in ("10:00-11:15", "12:45-14:00")]
    wanted = plan(*crowds, 'role: teacher, user: a, window: "11:15-12:15", count: 36',
                  f'role: student, user: b, window: "{window}", count: 5')  # fmt: skip
    stage = stage_of(wanted, studio(tmp_path))
    day = stage.day(wanted.entries)
    assert 4 in day.misfits()
    found = next(change for change in Search(stage, 300).changes(day, 4) if change.kind == "move")
    entry = wanted.entries[3]
    good = []
    for distance in range(15, abs(found.data["shift_min"]) + 1, 15):
        for shift in (distance, -distance):
            opens, closes = entry.opens_min + shift, entry.closes_min + shift
            if opens >= 9 * 60:
                moved = dataclasses.replace(entry, opens_min=opens, closes_min=closes)
                after = stage.day((*wanted.entries[:3], moved)).misfits()
                good += [shift] if 4 not in after and after <= day.misfits() else []
    assert found.data["shift_min"] == good[0]


def test_window_that_is_too_short_wherever_it_lies_costs_no_day(tmp_path: Path) -> None:
    wanted = plan(SHORT)
    stage = stage_of(wanted, studio(tmp_path))
    search = Search(stage, 300)
    search.changes(stage.day(wanted.entries), 1)
    assert "move" not in search.tried and search.is_cut_short is False


def test_search_that_runs_out_of_days_says_what_it_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "MOST_DAYS", 1)
    monkeypatch.setattr(report, "FEWEST_DAYS", 1)
    found = report.check_plan(plan(SHORT.replace("4", "40")), studio(tmp_path, slots=2), play, tmp_path / "jobs").entries[0]
    assert (found["changes"], found["days_played"], found["is_search_cut_short"]) == ([], 1, True)
    assert report.change_line(found) == "the search was cut short (days played: 1; tried: later ends up to 11:15 (1))"
    assert "11:15" in found["search"]["zh"]


def test_refusals_own_remedy_is_told_where_it_does_not_suffice_and_no_day_is_played_for_what_stays_refused(
    tmp_path: Path,
) -> None:
    late = 'role: teacher, user: a, window: "10:00-10:01", length: 60'  # repeated it takes two minutes
    found = report.check_plan(plan(late), studio(tmp_path), play, tmp_path / "jobs").entries[0]
    assert (found["changes"], found["days_played"], found["is_search_cut_short"]) == ([], 1, False)
    assert found["remedy"]["text"] == "say fill: loop, or a length of at most 48 s"
    assert report.change_line(found) == (
        "in any case: say fill: loop, or a length of at most 48 s; "
        "no single change makes it fit (days played: 1; tried: fill: loop)"
    )


def test_repair_that_does_not_suffice_names_what_is_left(tmp_path: Path) -> None:
    hopeless = 'role: teacher, user: a, window: "10:00-10:01", length: 60'
    wanted = plan(hopeless, SHORT.replace("teacher", "student"))
    found = report.check_plan(wanted, studio(tmp_path), play, tmp_path / "jobs").repair
    assert found is not None and (found["fits"], found["misfits"]) == (False, [1])
    assert found["left"] == [{"entry": 1, "line": 2, "role": "teacher"}]
    assert [change["entry"] for change in found["changes"]] == [2]


@pytest.mark.parametrize("most", [1, 27, 141, 1999])
def test_greatest_number_is_found_to_the_last_one(most: int) -> None:
    assert _greatest(1, 1999, lambda number: number <= most) == most
    assert _greatest(1, 1999, lambda number: False) is None
