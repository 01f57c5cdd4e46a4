"""A plan against a studio: what fits, what does not, and that every offered change was tried."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from engine.config import AdapterUse
from scheduler.core.policy import Policy
from scheduler.core.usage import Spent, day_of
from scheduler.plan.check import Check, verdict_of
from scheduler.plan.entry import DayPlan
from scheduler.plan.played import Stage
from scheduler.plan.report import PlanReport, check_plan
from scheduler.plan.sentences import sentence
from scheduler.plan.simulated import play
from scheduler.plan.studio import OpenWork, Studio
from tests.unit.scheduler.plan.rig import ASSETS, GIB, NINE, calendar, plan, role, studio

TEN = 'role: teacher, user: a, window: "10:00-11:00", count: 10'  # 96 s of computing each


def report(of: DayPlan, house: Studio, tmp_path: Path) -> PlanReport:
    """The report, with nothing learnt of the disk."""
    return check_plan(of, house, play, tmp_path / "jobs")


def states(found: PlanReport, name: str) -> list[str]:
    """States of the checks with this name."""
    return [check.state for check in found.checks if check.name == name]


def lines_of(found: PlanReport, state: str) -> list[Check]:
    """The checks in this state."""
    return [check for check in found.checks if check.state == state]


def test_plan_that_fits_says_so_in_every_line(tmp_path: Path) -> None:
    found = report(plan(TEN), studio(tmp_path), tmp_path)
    assert verdict_of(found.checks) == "fits", lines_of(found, "bad")
    assert [entry["fits"] for entry in found.entries] == [True]
    assert found.repair is None
    assert all(check.text and check.zh for check in found.checks)


def test_seconds_per_quarter_hour_add_up_to_the_work(tmp_path: Path) -> None:
    found = report(plan(TEN), studio(tmp_path), tmp_path)
    assert [quarter.text for quarter in found.quarters] == ["10:00", "10:15", "10:30", "10:45"]
    assert sum(quarter.wanted_s for quarter in found.quarters) == pytest.approx(10 * 100 * 0.96)
    assert all(quarter.capacity_s == 900 for quarter in found.quarters)
    assert all(quarter.played_s <= quarter.capacity_s for quarter in found.quarters)


def test_more_than_a_slot_can_do_does_not_fit_and_every_change_offered_does(tmp_path: Path) -> None:
    house = studio(tmp_path)
    wanted = plan('role: teacher, user: a, window: "10:00-10:15", count: 15', 'role: student, user: b, window: "10:00-12:00"')
    found = report(wanted, house, tmp_path)
    assert verdict_of(found.checks) == "does_not_fit"
    misfit = found.entries[0]
    kinds = [change["kind"] for change in misfit["changes"]]
    assert kinds == ["extend", "shorten", "fewer"], "moving helps nothing: the window is too short wherever it lies"
    stage = Stage(house, calendar(wanted, house), play)
    replaced: dict[str, dict[str, Any]] = {
        "extend": {"closes_min": 60 * int(misfit["changes"][0]["window"][6:8]) + int(misfit["changes"][0]["window"][9:])},
        "shorten": {"length_s": misfit["changes"][1]["length_s"]}, "fewer": {"count": misfit["changes"][2]["count"]},
    }  # fmt: skip
    for fields in replaced.values():
        changed = dataclasses.replace(wanted.entries[0], **fields)
        assert stage.day((changed, *wanted.entries[1:])).misfits() == set(), fields
    one_more = dataclasses.replace(wanted.entries[0], count=replaced["fewer"]["count"] + 1)
    assert stage.day((one_more, *wanted.entries[1:])).misfits() == {1}, "the change is the smallest one"


def test_blocks_that_take_longer_than_a_lease_fit_where_there_is_time(tmp_path: Path) -> None:
    """Whoever gets on keeps the slot, in the played day as in the house."""
    wanted = plan('role: teacher, user: a, window: "10:00-11:00", length: 2.4')  # five blocks
    found = report(wanted, studio(tmp_path, block_s=90.0), tmp_path)
    assert [entry["fits"] for entry in found.entries] == [True]


def test_video_that_meets_a_crowd_is_moved_out_of_its_way(tmp_path: Path) -> None:
    crowd = 'role: teacher, user: a, window: "10:00-11:00", count: 36'
    found = report(plan(crowd, 'role: student, user: b, window: "10:30-10:32"'), studio(tmp_path), tmp_path)
    misfit = found.entries[1]
    assert misfit["fits"] is False
    assert "move" in [change["kind"] for change in misfit["changes"]]
    assert found.repair is not None
    assert found.repair["fits"] is True


def test_change_that_would_push_another_out_is_not_offered(tmp_path: Path) -> None:
    """The rest of the day is full; an urgent video whose time is over would fit in only by pushing others out."""
    late = studio(tmp_path, now=NINE + 14.5 * 3600)  # half past eleven
    full, urgent = 'role: student, user: a, window: "23:30-24:00", count: {}', 'role: presenter, user: b, window: "22:00-22:02"'
    found = report(plan(full.format(18), urgent), late, tmp_path)
    assert [entry["fits"] for entry in found.entries] == [True, False]
    assert found.entries[1]["changes"] == []
    room = report(plan(full.format(17), urgent), late, tmp_path)
    assert [change["kind"] for change in room.entries[1]["changes"]] == ["extend", "move"], "with a video less there is room"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ('role: nobody, user: a, window: "10:00-11:00"', "there is no role nobody; roles: presenter, student, teacher"),
        ('role: teacher, user: a, window: "07:00-08:00"', "its window 07:00-08:00 is over; it is 09:00 now"),
        ('role: teacher, user: a, window: "10:00-11:00", length: 60', "the voice of teacher lasts 48.00 s"),
        ('role: teacher, user: a, window: "10:00-11:00", context: {mood: glad}', "mood"),
    ],
)
def test_entry_that_would_be_refused_is_told_with_its_line(entry: str, words: str, tmp_path: Path) -> None:
    found = report(plan(TEN, entry), studio(tmp_path), tmp_path)
    (line,) = [check for check in found.checks if check.name.startswith("plan line 3")]
    assert (line.state, words in line.text) == ("bad", True), line.text
    assert [entry["fits"] for entry in found.entries] == [True, False]
    others = [check.text for check in found.checks if check.name == "plan entries"]
    assert others == ["every other video is finished in its window"], "of this one that would be a lie"


def test_role_that_takes_no_jobs_is_told_with_its_problem(tmp_path: Path) -> None:
    house = studio(tmp_path, problems={"teacher": "Its voice is damaged."})
    found = report(plan(TEN), house, tmp_path)
    assert [check.text for check in lines_of(found, "bad")] == ["the role teacher takes no jobs: Its voice is damaged."]


def test_longer_than_the_voice_is_offered_to_be_repeated(tmp_path: Path) -> None:
    found = report(plan('role: teacher, user: a, window: "10:00-11:00", length: 60'), studio(tmp_path), tmp_path)
    assert [change["kind"] for change in found.entries[0]["changes"]][:1] == ["fill"]


def test_change_whose_pace_nobody_knows_is_not_offered(tmp_path: Path) -> None:
    house = studio(tmp_path, block_s=None)
    found = report(plan('role: teacher, user: a, window: "10:00-11:00", length: 60'), house, tmp_path)
    assert verdict_of(found.checks) == "does_not_fit"
    assert found.entries[0]["changes"] == [], "with fill: loop it would be played, at a pace that nobody knows"


def test_plan_of_yesterday_does_not_fit_and_is_not_played(tmp_path: Path) -> None:
    found = report(plan(TEN, top="date: 2026-11-22\n"), studio(tmp_path), tmp_path)
    assert verdict_of(found.checks) == "does_not_fit"
    assert "which is over; today is 2026-11-23" in found.checks[0].text
    assert (found.days_played, found.entries[0]["fits"]) == (0, False)


def test_window_that_has_begun_counts_from_now_on(tmp_path: Path) -> None:
    found = report(plan('role: teacher, user: a, window: "08:00-09:30", count: 4'), studio(tmp_path), tmp_path)
    assert found.entries[0]["fits"] is True
    assert found.entries[0]["starts_at"] >= NINE


def test_one_step_and_one_block_are_told_as_one() -> None:
    said = sentence("pace_learnt", size="384x256", steps=1, block_s="0.5", count=1)
    assert said["en"] == "384x256, 1 step: 0.5 s per block, learnt of 1 block"
    assert said["zh"] == "384x256，1 步：每块 0.5 秒，由 1 块实测得出"


def test_unknown_pace_is_cannot_tell_and_never_a_guess(tmp_path: Path) -> None:
    found = report(plan(TEN), studio(tmp_path, block_s=None), tmp_path)
    assert verdict_of(found.checks) == "cannot_tell"
    assert states(found, "plan pace") == ["unknown"]
    assert (found.quarters, found.entries[0]["fits"]) == ([], None)


def test_scaled_pace_needs_attention_and_names_what_it_is_scaled_from(tmp_path: Path) -> None:
    found = report(plan(f"{TEN}, preset: preview, length: 6"), studio(tmp_path), tmp_path)
    (line,) = [check for check in found.checks if check.name == "plan pace"]
    assert (line.state, line.data["basis"], "scaled by pixels and steps from 128x192" in line.text) == (
        "attention", "scaled", True,
    )  # fmt: skip
    assert line.data["block_s"] == pytest.approx(0.96 * (256 * 384 * 3) / (128 * 192 * 4))


def test_missing_asset_and_full_disk_do_not_fit(tmp_path: Path) -> None:
    house = studio(tmp_path, free_bytes=(200 << 20) + 1000)
    assert house.library is not None
    house.library.path_of(ASSETS["voice"]).unlink()
    house = dataclasses.replace(house, costs=({"id": "j1", "width": 128, "height": 192, "total_blocks": 10, "run_s": 12.0,
                                               "block_s": 10.0, "video_bytes": 1, "fragment_bytes": 1},))  # fmt: skip
    (tmp_path / "jobs" / "j1").mkdir(parents=True)
    (tmp_path / "jobs" / "j1" / "video.mp4").write_bytes(b"x" * 100_000)
    found = report(plan(TEN), house, tmp_path)
    assert states(found, "plan assets") == ["bad"]
    assert states(found, "plan disk") == ["bad"]
    (disk,) = [check for check in found.checks if check.name == "plan disk"]
    assert disk.data["need_bytes"] == 10 * 100 * 10_000
    assert "learnt of 1 video)" in disk.text


def test_adapter_that_is_gone_does_not_fit(tmp_path: Path) -> None:
    named = [role("teacher", adapters=(AdapterUse(name="lora/teacher", sha256=ASSETS["adapter"], alpha=16.0),))]
    house = studio(tmp_path, roles=named)
    assert states(report(plan(TEN), house, tmp_path), "plan adapters") == ["ok"]
    assert house.library is not None
    house.library.path_of(ASSETS["adapter"]).unlink()
    (line,) = [check for check in report(plan(TEN), house, tmp_path).checks if check.name == "plan adapters"]
    assert (line.state, line.text) == ("bad", "teacher: its adapter lora/teacher is missing")


def test_disk_without_history_is_held_against_the_most_it_can_be(tmp_path: Path) -> None:
    assert states(report(plan(TEN), studio(tmp_path), tmp_path), "plan disk") == ["ok"]
    assert states(report(plan(TEN), studio(tmp_path, free_bytes=GIB), tmp_path), "plan disk") == ["unknown"]


def test_context_larger_than_a_slot_follows_the_quality(tmp_path: Path) -> None:
    small = Policy(slot_memory_bytes=95 << 20)  # 99.9 MiB are needed with four steps
    asked = 'role: teacher, user: a, window: "10:00-11:00"'
    firm = report(plan(f"{asked}, quality: firm"), studio(tmp_path, policy=small), tmp_path)
    loose = report(plan(f"{asked}, quality: flexible"), studio(tmp_path, policy=small), tmp_path)
    assert (verdict_of(firm.checks), verdict_of(loose.checks)) == ("does_not_fit", "fits_degraded")
    assert (firm.entries[0]["unfinished"], loose.entries[0]["rungs"]) == (1, ["steps=3"])


def test_quotas_are_those_of_the_policy(tmp_path: Path) -> None:
    policy = Policy(slot_memory_bytes=GIB, gpu_s_per_day_per_team=900)
    found = report(plan(TEN), studio(tmp_path, policy=policy), tmp_path)
    (line,) = [check for check in found.checks if check.name == "plan quotas"]
    assert (line.state, line.data["field"], line.data["asked"]) == ("bad", "gpu_s_per_day_per_team", 960.0)


@pytest.mark.parametrize(("block_s", "limit", "state"), [(0.096, 40, "ok"), (4.8, 1000, "bad")])
def test_played_day_reckons_quotas_with_the_pace_that_the_plan_is_checked_with(
    block_s: float, limit: float, state: str, tmp_path: Path
) -> None:
    """Three videos of 100 blocks: 28.8 s of 40 in a fast house, 1,440 of 1,000 in a slow one. At 0.48 s a block it is 144 s."""
    policy = Policy(slot_memory_bytes=GIB, gpu_s_per_day_per_role=limit)
    wanted = plan('role: teacher, user: a, window: "10:00-12:00", count: 3')
    found = report(wanted, studio(tmp_path, block_s=block_s, policy=policy), tmp_path)
    assert states(found, "plan quotas") == [state]
    assert found.entries[0]["fits"] is (state == "ok")
    told = [check.text for check in found.checks if "GPU seconds of today" in check.text]
    assert [f"this video needs {round(100 * block_s)}" in text for text in told] == [True] * (state == "bad")


@pytest.mark.parametrize(("starts_s", "state"), [(0, "ok"), (6 * 3600, "bad")])
def test_quota_of_a_day_counts_by_the_days_of_quotas(starts_s: int, state: str, tmp_path: Path) -> None:
    """480 s before and 480 s after midnight UTC, which is eight in the morning in Shanghai."""
    entry = 'role: teacher, user: a, window: "{}", count: 5'
    wanted = plan(entry.format("07:00-08:00"), entry.format("08:00-09:00"), top="zone: Asia/Shanghai\ndate: 2026-11-24\n")
    policy = Policy(slot_memory_bytes=GIB, gpu_s_per_day_per_team=600, quota_day_starts_s=starts_s)
    assert states(report(wanted, studio(tmp_path, policy=policy), tmp_path), "plan quotas") == [state]


@pytest.mark.parametrize(("top", "spent_s", "state"), [("", 0, "ok"), ("", 300, "bad"), ("date: 2026-11-24\n", 300, "ok")])
def test_seconds_that_were_used_today_are_gone_for_a_plan_of_today(
    top: str, spent_s: int, state: str, tmp_path: Path
) -> None:
    """Ten videos of 96 s against a quota of 1,200 s."""
    policy = Policy(slot_memory_bytes=GIB, gpu_s_per_day_per_team=1200)
    spent = Spent.from_mapping({"day": day_of(NINE, policy), "ms": [["team", "education", spent_s * 1000], ["user", "a", 9e9]]})
    found = report(plan(TEN, top=top), studio(tmp_path, policy=policy, spent=spent), tmp_path)
    (line,) = [check for check in found.checks if check.name == "plan quotas"]
    assert line.state == state
    assert found.entries[0]["fits"] is (state == "ok"), "the played day knows of them, too"
    if state == "bad":
        assert (line.data["asked"], line.data["used"], line.data["limit"]) == (960.0, 300.0, 1200)
        assert "of which 5.0 min are used today" in line.text and "今日已用 5.0 min" in line.zh


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        (("mon 10:20-10:40 slots 0",), [1800, 1200, 1200, 1800]),  # ten minutes of two of slot 0's quarters
        (("mon 10:15-10:25", "mon 10:25-10:30"), [1800, 0, 1800, 1800]),
        (("tue 10:00-11:00",), [1800, 1800, 1800, 1800]),
    ],
)
def test_quarter_hour_gives_nothing_of_a_slot_in_maintenance(
    windows: tuple[str, ...], expected: list[int], tmp_path: Path
) -> None:
    policy = Policy(slot_memory_bytes=GIB, maintenance_windows=windows)
    found = report(plan(TEN), studio(tmp_path, slots=2, policy=policy), tmp_path)
    assert [quarter.capacity_s for quarter in found.quarters] == expected
    assert all(quarter.is_overfull is (quarter.wanted_s > quarter.capacity_s + 1) for quarter in found.quarters)
    assert all(quarter.played_s <= quarter.capacity_s + 2 for quarter in found.quarters), "but for a block that is ended"


def test_roles_that_exclude_each_other_take_turns(tmp_path: Path) -> None:
    roles = [role("teacher"), role("student", never_with=("teacher",))]
    wanted = plan('role: teacher, user: a, window: "10:00-10:02"', 'role: student, user: b, window: "10:00-10:02"')
    free = report(wanted, studio(tmp_path, slots=2, roles=[role("teacher"), role("student")]), tmp_path)
    turns = report(wanted, studio(tmp_path, slots=2, roles=roles), tmp_path)
    assert [entry["fits"] for entry in free.entries] == [True, True]
    assert sorted(entry["fits"] for entry in turns.entries) == [False, True]
    (line,) = [check for check in turns.checks if check.name == "plan relations"]
    assert "student and teacher may never play together" in line.text


def test_broken_promise_of_a_role_needs_attention(tmp_path: Path) -> None:
    house = studio(tmp_path, roles=[role("teacher", start_within_s=60.0, finish_factor=3.0)])
    kept = report(plan(TEN), house, tmp_path)
    broken = report(plan('role: teacher, user: a, window: "10:00-10:30", count: 40'), house, tmp_path)
    assert states(kept, "plan service") == ["ok"]
    assert states(broken, "plan service") == ["attention", "attention"]
    assert [check.data["role"] for check in broken.checks if check.name == "plan service"] == ["teacher", "teacher"]


def test_jobs_in_the_house_take_their_share_of_the_day(tmp_path: Path) -> None:
    work = OpenWork(
        id="j1", user="b", team="x", role="student", priority=99, submitted_at=NINE - 60, blocks_left=4000, block_s=1.0
    )
    wanted = plan('role: teacher, user: a, window: "09:00-09:30"')
    alone = report(wanted, studio(tmp_path), tmp_path)
    shared = report(wanted, studio(tmp_path, open_jobs=(work,)), tmp_path)
    assert (alone.entries[0]["fits"], shared.entries[0]["fits"]) == (True, False)


@pytest.mark.parametrize(("window", "minute"), [("mon 10:00-10:40", 40), ("thu 10:00-10:40", 0)])
def test_maintenance_window_falls_on_the_day_of_the_plan(window: str, minute: int, tmp_path: Path) -> None:
    house = studio(tmp_path, policy=Policy(slot_memory_bytes=GIB, maintenance_windows=(window,)))
    found = report(plan('role: teacher, user: a, window: "10:00-11:00"'), house, tmp_path)
    assert found.entries[0]["starts_at"] == pytest.approx(NINE + 3600 + 60 * minute, abs=2)


def test_window_longer_than_what_is_left_makes_a_plan_late(tmp_path: Path) -> None:
    wanted = plan('role: teacher, user: a, window: "10:00-11:00"', top="zone: Asia/Shanghai\ndate: 2026-11-24\n")
    closed, open_ = (
        report(wanted, studio(tmp_path, policy=Policy(slot_memory_bytes=GIB, maintenance_windows=(window,))), tmp_path)
        for window in ("tue 02:00-03:00", "tue 10:00-11:00")  # windows are UTC
    )
    assert [found.entries[0]["fits"] for found in (closed, open_)] == [False, True]


def test_no_slot_that_takes_work_does_not_fit(tmp_path: Path) -> None:
    found = report(plan(TEN), studio(tmp_path, drained=frozenset({0})), tmp_path)
    assert states(found, "plan time") == ["bad"]
    later = report(plan(TEN, top="date: 2026-11-24\n"), studio(tmp_path, slots=2, drained=frozenset({0, 1})), tmp_path)
    assert (states(later, "plan slots"), states(later, "plan time")) == (["attention"], ["ok"])
    assert later.entries[0]["fits"] is True


def test_slot_that_is_left_keeps_its_own_maintenance(tmp_path: Path) -> None:
    policy = Policy(slot_memory_bytes=GIB, maintenance_windows=("mon 10:00-11:00 slots 1",))
    wanted = plan('role: teacher, user: a, window: "10:00-11:00"')
    left = [
        report(wanted, studio(tmp_path, slots=2, drained=frozenset({drained}), policy=policy), tmp_path) for drained in (0, 1)
    ]
    assert [found.entries[0]["fits"] for found in left] == [False, True]
    assert [found.quarters[0].capacity_s for found in left] == [0, 900]


def test_same_plan_on_the_same_house_gets_the_same_report(tmp_path: Path) -> None:
    wanted = plan('role: teacher, user: a, window: "10:00-10:15", count: 12', 'role: student, user: b, window: "10:00-10:30"')
    one, two = (report(wanted, studio(tmp_path), tmp_path) for _ in range(2))
    assert one.to_json() == two.to_json()


def test_whole_plan_is_repaired_with_the_most_important_video_first(tmp_path: Path) -> None:
    crowd = 'role: student, user: a, window: "10:00-10:10", count: 9'
    found = report(plan(crowd, 'role: presenter, user: b, window: "10:00-10:05", length: 60'), studio(tmp_path), tmp_path)
    assert found.repair is not None
    first = found.repair["changes"][0]
    assert (first["entry"], first["kind"]) == (2, "fill")
    assert found.repair["fits"] is True, found.repair
