"""Reading plans: YAML and CSV, good and bad, every complaint with its line."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from scheduler.plan.entry import Calendar, DayPlan
from scheduler.plan.file import PlanError, kind_of, load_plan

GOOD = """date: 2026-11-23
zone: Asia/Shanghai
entries:
  - {role: teacher, user: education, window: "9:00-11:30", length: "1:30", count: 3, quality: firm, fill: loop}
  - role: student
    user: education
    window: 10:00–24:00
    context: {topic: rain}
"""


def _problems(text: str, kind: str = "yaml") -> list[str]:
    with pytest.raises(PlanError) as caught:
        load_plan(text, kind)
    return [str(problem) for problem in caught.value.problems]


def test_plan_in_yaml_says_everything_it_can() -> None:
    plan = load_plan(GOOD)
    first, second = plan.entries
    assert (plan.day, plan.zone, plan.videos) == (date(2026, 11, 23), "Asia/Shanghai", 4)
    assert (first.window, first.length_s, first.count, first.line) == ("09:00-11:30", 90.0, 3, 4)
    assert first.request()["degrade"] == "never"
    assert (second.window, second.length_s, second.quality, second.line) == ("10:00-24:00", None, "ask", 5)
    assert second.request() == {"user": "education", "role": "student", "degrade": "ask", "context": {"topic": "rain"}}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_plan_in_csv_is_the_same_plan(delimiter: str) -> None:
    rows = [
        ["Role", "user", "window", "length", "count", "quality", "fill", "date"],
        ["teacher", "education", "9:00-11:30", "1:30", "3", "firm", "loop", "2026-11-23"],
        ["", "", "", "", "", "", "", ""],
        ["student", "education", "10:00-24:00", "", "", "", "", ""],
    ]
    text = "\ufeff" + "\r\n".join(delimiter.join(row) for row in rows)
    plan = load_plan(text, "csv")
    assert plan.day == date(2026, 11, 23)
    assert [(entry.role, entry.window, entry.length_s, entry.count, entry.line) for entry in plan.entries] == [
        ("teacher", "09:00-11:30", 90.0, 3, 2), ("student", "10:00-24:00", None, 1, 4),
    ]  # fmt: skip


def test_decimal_comma_of_a_spreadsheet_is_a_number() -> None:
    plan = load_plan('role;user;window;length\nteacher;a;10:00-11:00;"12,5"\n', "csv")
    assert plan.entries[0].length_s == 12.5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1, column 1: the file is empty"),
        ("entries: []", "asks for nothing"),
        ("- {role: teacher}", "Put entries: above the list"),
        ("entries:\n\t- a", "line 2"),
        ("entries: 5", "entries must be a list"),
        ("plan: []", "the key 'plan' is unknown"),
        ("date: 2026-02-30\nentries:\n  - {role: a, user: b, window: '1:00-2:00'}", "'2026-02-30' is no day"),
        ("zone: Mars/Phobos\nentries:\n  - {role: a, user: b, window: '1:00-2:00'}", "zone 'Mars/Phobos' is unknown"),
        ("entries:\n  - {role: a, user: b, window: '11:00-10:00'}", "ends before it begins"),
        ("entries:\n  - {role: a, user: b, window: '10:00-24:30'}", "ends before it begins"),
        ("entries:\n  - {role: a, user: b, window: morning}", "'morning' is no window"),
        ("entries:\n  - {role: a, user: b, window: '1:00-2:00', length: 0:00}", "length is '0:00'"),
        ("entries:\n  - {role: a, user: b, window: '1:00-2:00', length: -3}", "length is '-3'"),
        ("entries:\n  - {role: a, user: b, window: '1:00-2:00', length: yes}", "length is 'yes'"),
        ("entries:\n  - {role: a, user: b, window: '1:00-2:00', priority: 101}", "from 0 to 100"),
        ("entries:\n  - {role: a, user: b, window: '1:00-2:00', quality: best}", "Use firm, ask, flexible"),
        ("entries:\n  - {role: a, user: b, window: '1:00-2:00', preset: huge}", "preset 'huge' is unknown"),
        ("entries:\n  - {role: a, user: 'x y', window: '1:00-2:00'}", "'x y' is no user"),
        ("entries:\n  - {role: a, user: b, window: '1:00-2:00', count: 0}", "from 1 to"),
        ("entries:\n  - {role: a, user: b, window: '1:00-2:00', count: 2000}\n  - {role: a, user: b, window: '1:00-2:00'}",
         "more than 2000 videos"),
    ],
)  # fmt: skip
def test_mistake_is_told_with_its_line_and_the_way_out(text: str, words: str) -> None:
    found = _problems(text)
    assert any(words in problem for problem in found), found
    assert all(problem.startswith("line ") for problem in found)


def test_all_mistakes_are_told_at_once_in_the_order_of_lines() -> None:
    found = _problems("entries:\n  - role: teacher\n    user: a\n    window: x\n    qualty: firm\n  - user: b\n")
    assert [problem.split(",")[0] for problem in found] == ["line 4", "line 5", "line 6", "line 6"]
    assert "Did you mean 'quality'?" in found[1]


def test_wide_digits_and_signs_of_a_chinese_keyboard_are_those_of_any_other() -> None:
    header, first = "role,user,window,length,count,date", "teacher,a,１０：００－１１：００,１：３０,２,２０２６-11-23"
    plan = load_plan(f"{header}\n{first}\nstudent,b,10：00-11：00,１２,1,\n", "csv")
    assert plan.day == date(2026, 11, 23)
    assert [(entry.window, entry.length_s, entry.count) for entry in plan.entries] == [
        ("10:00-11:00", 90.0, 2), ("10:00-11:00", 12.0, 1),
    ]  # fmt: skip


@pytest.mark.parametrize("day", ["2026/11/3", "2026/11/03"])
def test_day_is_read_as_a_spreadsheet_writes_it_again(day: str) -> None:
    assert load_plan(f"role,user,window,date\nteacher,a,10:00-11:00,{day}\n", "csv").day == date(2026, 11, 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ('role,user,window,count\na,b,1:00-2:00,"1,000"\n', "count is '1,000'"),
        ('role,user,window,length\na,b,1:00-2:00,"１，５００"\n', "length is '１，５００'"),
        ("role,user,window,length\na,b,1:00-2:00,1_0\n", "length is '1_0'"),
        ("role,user,window,date\na,b,1:00-2:00,2026/13/1\n", "'2026/13/1' is no day"),
        ("role,usr,window\n", "the column 'usr' is unknown"),
        ("role,role\n", "there twice"),
        ("role,user,window\na,b,10:00-11:00,extra\n", "'extra' stands in no named column"),
        ('role,user,window\na,"b\n', "this is not CSV"),
        ("role,user,window,date\na,b,1:00-2:00,2026-11-23\na,b,1:00-2:00,2026-11-24\n", "is another day than"),
        ("role,user,window,context\n", "the column 'context' is unknown"),
        ("role,user,window,priority\na,b,1:00-2:00,high\n", "priority is 'high'"),
    ],
)
def test_mistake_in_csv_is_told_with_its_line(text: str, words: str) -> None:
    assert any(words in problem for problem in _problems(text, "csv"))


def test_form_follows_from_the_name_of_the_file() -> None:
    assert [kind_of(name) for name in ("plan.yaml", "Plan.CSV", "plan", "a.tsv")] == ["yaml", "csv", "yaml", "csv"]


def test_calendar_knows_the_day_when_clocks_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    plan = DayPlan(entries=(), day=date(2026, 10, 25), zone="Europe/Berlin")
    calendar = Calendar.of(plan, 0.0, UTC)
    assert calendar.at(10 * 60) == datetime(2026, 10, 25, 10, tzinfo=berlin).timestamp()
    assert calendar.at(24 * 60) - calendar.at(0) == 25 * 3600
    assert calendar.text(calendar.at(9 * 60 + 5)) == "09:05"
    assert calendar.text(calendar.at(24 * 60)) == "2026-10-26 00:00"


def test_plan_without_a_day_is_for_the_day_in_the_studios_zone() -> None:
    late = datetime(2026, 11, 23, 23, 30, tzinfo=UTC).timestamp()
    plan = DayPlan(entries=())
    assert Calendar.of(plan, late, UTC).day == date(2026, 11, 23)
    assert Calendar.of(plan, late, ZoneInfo("Asia/Shanghai")).day == date(2026, 11, 24)
