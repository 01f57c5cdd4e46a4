"""The day plan's page: the check as a drawing, what each caller may see of it, and what the morning check says of it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from dashboard import day_plan, morning
from dashboard.pulse import Beat
from tests.unit.dashboard.web_rig import Web
from tests.unit.scheduler.store_rig import READER

DAY, MIDNIGHT = "2026-11-23", 1_795_392_000.0  # UTC
ENTRY: dict[str, Any] = {
    "number": 1, "line": 3, "role": "teacher", "user": "education", "window": "10:00-11:00", "length_s": None, "count": 2,
    "fits": False, "starts_at": MIDNIGHT + 10 * 3600, "finishes_at": MIDNIGHT + 11.5 * 3600, "is_search_cut_short": False,
    "changes": [{"kind": "extend", "entry": 1, "text": "give it until 11:30", "zh": "延到 11:30", "window": "10:00-11:30"}],
}  # fmt: skip
SECRET: dict[str, Any] = {"name": "plan line 3, teacher", "state": "bad", "text": "SECRET-WORDS", "zh": "SECRET-WORDS",
                          "data": {"entry": 1, "line": 3, "code": "refused"}}  # fmt: skip
REPORT: dict[str, Any] = {
    "verdict": "does_not_fit", "exit_code": 11, "day": DAY, "zone": "UTC", "videos": 2, "checks": [SECRET], "entries": [ENTRY],
    "quarters": [{"starts_at": MIDNIGHT + 10 * 3600, "text": "10:00", "capacity_s": 900.0, "wanted_s": 1800.0, "played_s": 900.0,
                  "ratio": 2.0, "is_overfull": True}],
    "repair": {"fits": True, "misfits": [], "changes": [{**ENTRY["changes"][0], "line": 3, "role": "teacher"}]},
}  # fmt: skip


def keep(house: Web, day: str, report: dict[str, Any], sha256: str = "a" * 64) -> None:
    """A filed plan and its check."""
    with house.store.transaction():
        house.store.keep_plan(day, "yaml", "entries: SECRET-TEXT", "a" * 64, 2, READER.name, time.time())
        kept = {**report, "day": day, "plan_sha256": sha256}
        house.store.insert_plan_check(kept, READER.name, time.time())


def test_work_beyond_its_window_is_drawn_as_late() -> None:
    drawn = day_plan.draw(REPORT)
    assert drawn is not None
    ((_, bars),) = drawn.entries
    assert [(bar.kind, bar.since - MIDNIGHT, bar.until - MIDNIGHT) for bar in bars] == [
        ("window", 36_000, 39_600), ("made", 36_000, 39_600), ("late", 39_600, 41_400)
    ]  # fmt: skip
    assert (drawn.quarters[0]["played"], drawn.quarters[0]["wanted"], drawn.quarters[0]["wanted_share"]) == (100, 100, 200)
    assert day_plan.draw({**REPORT, "entries": []}) is None


@pytest.mark.parametrize(("group", "sees", "edits"), [("user", False, False), ("ops", True, False), ("planner", True, True)])
def test_page_shows_changes_to_all_but_words_and_the_form_only_to_whom_they_belong(
    house: Web, group: str, sees: bool, edits: bool
) -> None:
    keep(house, DAY, REPORT)
    page = house.person("ana", group).get(f"/dashboard/plan/?day={DAY}").get_data(as_text=True)
    assert "It does not fit" in page and "give it until 11:30" in page
    assert ("SECRET-WORDS" in page, "SECRET-TEXT" in page) == (sees, sees)
    assert ("data-plan-add" in page, "data-take-over" in page) == (edits, edits)


def test_plan_that_cannot_be_played_yet_is_shown_without_times_or_verdicts(house: Web) -> None:
    entry = {**{name: value for name, value in ENTRY.items() if not name.endswith("_at")}, "fits": None, "changes": []}
    keep(house, DAY, {**REPORT, "verdict": "cannot_tell", "exit_code": 12, "entries": [entry], "quarters": [], "repair": None})
    answer = house.person("ana", "user").get(f"/dashboard/plan/?day={DAY}")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200 and "10:00-11:00" in page
    assert "✓ fits" not in page.replace("</span>", "") and "No single change" not in page


def test_day_without_a_plan_says_what_to_do_next(house: Web) -> None:
    page = house.person("ana", "planner").get("/dashboard/plan/?day=2026-11-24").get_data(as_text=True)
    assert "No plan is filed for this day" in page and "date: 2026-11-24" in page
    assert house.local().get("/dashboard/plan/?day=2026-02-30").status_code == 422


def test_morning_check_says_what_became_of_todays_plan(house: Web) -> None:
    reads, today = house.house.reads, morning.today("UTC")

    def found() -> tuple[str, list[str]]:
        report = morning.report(reads, Beat(time.time()), zone="UTC")
        return report.plan, [finding.what for finding in report.findings if finding.what.startswith("plan")]

    assert found() == ("none", [])
    keep(house, today, REPORT, "b" * 64)
    assert found() == ("unchecked", ["plan_unchecked"])
    keep(house, today, REPORT)
    assert found() == ("does_not_fit", ["plan_does_not_fit"])
    keep(house, today, {**REPORT, "verdict": "fits"})
    assert found() == ("fits", [])


@pytest.mark.parametrize(
    ("language", "remedy", "search"), [("en", "In any case: LOOP", "TRIED"), ("zh-CN", "无论如何都需要： 循环", "试过")]
)
def test_page_tells_the_remedy_and_what_was_tried_where_nothing_was_found(
    house: Web, language: str, remedy: str, search: str
) -> None:
    said = {"changes": [], "remedy": {"text": "LOOP", "zh": "循环"}, "search": {"text": "TRIED", "zh": "试过"}}
    keep(house, DAY, {**REPORT, "entries": [{**ENTRY, **said}]})
    visitor = house.person("ana", "user")
    page = visitor.get(f"/dashboard/plan/?day={DAY}", headers={"Accept-Language": language}).get_data(as_text=True)
    assert remedy in page and search in page
