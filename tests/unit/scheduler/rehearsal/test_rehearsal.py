"""Load rehearsals in simulation: sources, figures, suggestions, comparison."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from scheduler.core.policy import Policy
from scheduler.errors import SchedulerError
from scheduler.rehearsal.classes import Ended, by_class, class_of, share_of
from scheduler.rehearsal.degradations import degradations
from scheduler.rehearsal.peaks import Stay, peaks_of
from scheduler.rehearsal.report import compared, differences, simulated_report
from scheduler.rehearsal.simulated import Rehearsed, rehearse
from scheduler.rehearsal.sources import Source, day_named, plan_day
from scheduler.rehearsal.suggestions import suggestions
from scheduler.simulation.trace import Trace, TraceFault, TraceJob
from scheduler.store import open_reader
from tests.unit.scheduler.plan.rig import NINE, plan, studio
from tests.unit.scheduler.store_rig import AT, accept, go, writer


def job(number: int, at: float, priority: int = 10, blocks: int = 10, **changes: Any) -> TraceJob:
    """A job of ten seconds."""
    values: dict[str, Any] = {"user": "a", "team": "t", "role": "teacher", "block_s": 1.0, **changes}
    return TraceJob(at=at, id=f"j{number}", priority=priority, blocks=blocks, **values)


def source(*jobs: TraceJob, faults: tuple[TraceFault, ...] = ()) -> Source:
    """A day of these."""
    return Source(name="test", trace=Trace(jobs=jobs, faults=faults), block_s=1.0, basis="learnt")


@pytest.mark.parametrize(("priority", "name"), [(100, "urgent"), (99, "high"), (30, "high"), (10, "normal"), (9, "low")])
def test_class_follows_from_the_priority(priority: int, name: str) -> None:
    assert class_of(priority, 100) == name


def test_waits_of_a_class_are_those_of_its_jobs() -> None:
    jobs = [Ended(priority=10, wait_s=float(wait)) for wait in range(1, 101)] + [Ended(priority=100, wait_s=None, is_done=False)]
    found = by_class(jobs, 100)
    assert list(found) == ["urgent", "normal"]
    assert (found["normal"]["p50_wait_s"], found["normal"]["p90_wait_s"], found["normal"]["longest_wait_s"]) == (50, 90, 100)
    assert (found["urgent"]["done"], found["urgent"]["p50_wait_s"]) == (0, None)
    assert share_of([7.0], 0.01) == 7.0


def test_peak_of_the_queue_counts_who_waits_at_one_moment() -> None:
    stays = [
        Stay(id="a", user="x", team="t", role="r", at=0.0, spells=((0.0, 10.0),), ended_at=10.0),
        Stay(id="b", user="x", team="t", role="r", at=1.0, spells=((10.0, 12.0), (20.0, 3620.0)), ended_at=3620.0),
        Stay(id="c", user="y", team="t", role="s", at=2.0, spells=((12.0, 20.0),), ended_at=20.0),
    ]
    found = peaks_of(stays, slots=1)
    assert (found["queue"], found["queue_at_s"], found["queue_of_user"], found["longest_wait_s"]) == (2, 2.0, 1, 10.0)
    assert (found["queue_of_team"], found["queue_of_role"]) == (2, 1)
    assert (found["busiest_hour"], found["busiest_hour_ratio"]) == (0, 1.0)
    assert peaks_of([], slots=1)["busiest_hour"] is None


def test_rehearsed_day_has_every_job_and_its_faults() -> None:
    day = source(
        *(job(number, at=2.0 * number) for number in range(10)), job(10, at=15.0, priority=100),
        faults=(TraceFault(at=5.0, event="worker_lost", slot=0), TraceFault(at=25.0, event="worker_back", slot=0)),
    )  # fmt: skip
    found = rehearse(day, 1, Policy(), seed=0)
    assert (found.totals["jobs"], found.totals["succeeded"], found.totals["workers_lost"]) == (11, 11, 1)
    assert found.peaks["queue"] >= 8
    assert found.classes["urgent"]["jobs"] == 1


def test_same_seed_is_the_same_peak_and_another_is_another(tmp_path: Path) -> None:
    house = studio(tmp_path, block_s=8.0)  # a slow house asks for few jobs, so the day is quickly played
    one, two, other = (
        simulated_report(day_named("peak", house, None, seed), house, 1, seed, has_suggestions=False) for seed in (1, 1, 2)
    )
    assert one == two
    assert one["totals"] != other["totals"]
    assert (one["block_s"], one["block_s_basis"], one["kind"]) == (8.0, "learnt", "simulated")
    assert one["faults"] > 0
    assert [line for line in differences(one, other) if line.startswith("seed")] == ["seed: 2 → 1"]


def test_peak_can_be_rehearsed_with_fewer_slots_than_the_house_has(tmp_path: Path) -> None:
    house = studio(tmp_path, block_s=8.0, slots=3)
    day = day_named("peak", house, None, 1)
    assert {fault.slot for fault in day.trace.faults} - {0}, "else this proves nothing"
    kept = [fault for fault in day.trace.faults if fault.slot == 0]
    found = simulated_report(day.on(1), house, 1, 1, has_suggestions=False)
    assert (found["slots"], found["faults"]) == (1, len(kept))


def test_quotas_of_a_rehearsed_plan_reckon_with_its_own_pace(tmp_path: Path) -> None:
    """Three videos at 2.88 s a block, where most roles of the house have 0.96: 37 s each."""
    wanted = plan('role: teacher, user: a, window: "10:00-11:00", count: 3, preset: preview, length: 6')
    found = plan_day(wanted, studio(tmp_path))
    assert [job.expected_s for job in found.trace.jobs] == [pytest.approx(2.88)] * 3
    assert rehearse(found, 1, Policy(gpu_s_per_day_per_team=100), 0).totals["rejected"] == 1


@pytest.mark.parametrize(("days", "zone"), [(0, UTC), (5, UTC), (0, ZoneInfo("Asia/Shanghai"))])
def test_peak_is_always_played_on_a_monday_from_nine_on(days: int, zone: tzinfo, tmp_path: Path) -> None:
    found = day_named("peak", studio(tmp_path, now=NINE + days * 86_400, zone=zone), None, 0)
    begins = datetime.fromtimestamp(found.trace.begins_at, zone)
    assert (begins.weekday(), begins.hour, begins.minute) == (0, 9, 0)


def test_weekly_window_hits_a_rehearsed_plan_on_its_day(tmp_path: Path) -> None:
    day = plan_day(plan('role: teacher, user: a, window: "10:00-11:00"'), studio(tmp_path))
    policies = (Policy(maintenance_windows=(f"{name} 10:00-10:30",)) for name in ("mon", "thu"))
    waits = [rehearse(day, 1, policy, 0).peaks["longest_wait_s"] for policy in policies]
    assert waits == [pytest.approx(1800, abs=1.1), 0.0]


def test_pace_that_nobody_knows_is_called_assumed(tmp_path: Path) -> None:
    assert day_named("peak", studio(tmp_path, block_s=None), None, 0).basis == "assumed"


def test_plan_is_rehearsed_as_its_check_plays_it(tmp_path: Path) -> None:
    wanted = plan('role: teacher, user: a, window: "10:00-11:00", count: 3', 'role: student, user: b, window: "08:00-08:30"')
    found = plan_day(wanted, studio(tmp_path))
    assert [(job.at, job.blocks, job.block_s) for job in found.trace.jobs] == [
        (8 * 3600, 100, 0.96), (36000.0, 100, 0.96), (37200.0, 100, 0.96), (38400.0, 100, 0.96),
    ]  # fmt: skip
    with pytest.raises(SchedulerError, match="cannot be rehearsed"):
        plan_day(wanted, studio(tmp_path, block_s=None))


def test_past_day_is_found_by_its_date_and_the_busiest_by_itself(tmp_path: Path) -> None:
    house = studio(tmp_path, now=AT + 86_400)
    with writer(tmp_path) as store:
        for number in (1, 2, 3):
            accept(store, number, width=128, height=192,
                   recipe={"settings": {"size": "192*128", "steps": 4}, "prompt": "x", "model": "pocket"})  # fmt: skip
            go(store, "SUBMITTED", "QUEUED", job_id=f"j{number:012d}")
    reader = open_reader(tmp_path)
    busiest = day_named("history", house, reader, 0)
    assert len(busiest.trace.jobs) == 3
    assert busiest.trace.begins_at == AT + 1, "its second 0 is when the first job came"
    assert day_named(busiest.name, house, reader, 0).trace == busiest.trace
    with pytest.raises(SchedulerError, match="Nothing was asked for on 2001-01-01"):
        day_named("2001-01-01", house, reader, 0)


@pytest.mark.parametrize(
    ("name", "words"), [("someday", "is no day to rehearse"), ("gone.jsonl", "cannot be read")]
)  # fmt: skip
def test_day_that_does_not_exist_is_refused_with_the_way_out(name: str, words: str, tmp_path: Path) -> None:
    with writer(tmp_path):
        pass
    with pytest.raises(SchedulerError, match=words) as caught:
        day_named(name, studio(tmp_path), open_reader(tmp_path), 0)
    assert caught.value.hint


def test_house_without_a_past_can_still_rehearse_a_peak(tmp_path: Path) -> None:
    assert day_named("peak", studio(tmp_path), None, 0).trace.jobs
    with pytest.raises(SchedulerError, match="no past days"):
        day_named("history", studio(tmp_path), None, 0)


def test_videos_that_fit_a_slot_at_a_lower_setting_are_counted() -> None:
    trace = Trace(jobs=(job(1, 0.0, preset="pocket"), job(2, 0.0, preset="pocket"), job(3, 0.0, preset="384*256:5")))
    small = degradations(trace, Policy(slot_memory_bytes=95 << 20), "pocket")
    assert small == {"lowered": 2, "rungs": {"steps=3": 2}, "too_large": 0, "not_known": 1}
    assert degradations(trace, Policy(slot_memory_bytes=1 << 20), "pocket")["too_large"] == 2
    assert degradations(trace, Policy(), "pocket")["lowered"] == 0


def _attempts(figures: Callable[[Policy, int], dict[str, Any]]) -> Callable[[Policy, int], Rehearsed]:
    def attempt(policy: Policy, slots: int) -> Rehearsed:
        found = {"rest": 100.0, "urgent": 5.0, "stops": 50, "rejected": 0, **figures(policy, slots)}
        return Rehearsed(
            totals={"succeeded": 100 - found["rejected"], "preemptions": found["stops"], "rejected": found["rejected"]},
            classes={"urgent": {"p99_wait_s": found["urgent"], "mean_wait_s": 1.0, "jobs": 1},
                     "normal": {"p99_wait_s": 1.0, "mean_wait_s": found["rest"], "jobs": 10}},
            peaks={"longest_wait_s": 300.0, "queue": 120, "queue_of_user": 110, "queue_of_team": 115, "queue_of_role": 50},
        )  # fmt: skip

    return attempt


def test_number_that_helps_and_harms_nobody_is_suggested_with_its_figures() -> None:
    def figures(policy: Policy, slots: int) -> dict[str, Any]:
        return {"stops": 20} if policy.preempt_margin == 20 else {"rest": 300.0} if slots == 2 else {}

    attempt = _attempts(figures)
    found = suggestions(attempt(Policy(), 1), Policy(), 1, attempt)
    assert [(one.field, one.value, one.before) for one in found] == [("preempt_margin", 20.0, 10.0)]
    assert "stopped for others 50 → 20" in found[0].en
    assert "让位 50 → 20" in found[0].zh


def test_number_that_helps_some_at_the_cost_of_others_is_not_suggested() -> None:
    def figures(policy: Policy, slots: int) -> dict[str, Any]:
        return {"stops": 5, "urgent": 60.0} if policy.preempt_margin != 10 else {}

    attempt = _attempts(figures)
    assert suggestions(attempt(Policy(), 1), Policy(), 1, attempt) == []


@pytest.mark.parametrize(
    ("before", "after", "is_suggested"),
    [
        ({"rest": 0.02, "urgent": 0.3}, {"rest": 0.01, "urgent": 0.3}, False),
        ({"stops": 2}, {"stops": 0}, False),
        ({"stops": 3}, {"stops": 0}, True),
    ],
)
def test_difference_that_nobody_notices_is_not_suggested(
    before: dict[str, Any], after: dict[str, Any], is_suggested: bool
) -> None:
    attempt = _attempts(lambda policy, slots: before if slots == 1 else after)
    assert bool(suggestions(attempt(Policy(), 1), Policy(), 1, attempt)) is is_suggested


@pytest.mark.parametrize(("field", "value"), [("max_queued_per_role", 60), ("max_queued_per_team", 138)])
def test_limit_of_a_role_or_team_that_turned_jobs_away_is_suggested_higher(field: str, value: int) -> None:
    def figures(policy: Policy, slots: int) -> dict[str, Any]:
        limit = getattr(policy, field)
        return {"rejected": 12 if limit is not None and limit < value else 0}

    attempt, policy = _attempts(figures), Policy.from_mapping({field: 3, "max_queued_per_user": 1000})
    found = suggestions(attempt(policy, 1), policy, 1, attempt)
    assert [(one.field, one.value, one.before) for one in found] == [(field, value, 3)]


def test_limit_that_turned_jobs_away_is_suggested_higher() -> None:
    def figures(policy: Policy, slots: int) -> dict[str, Any]:
        return {"rejected": 12 if policy.max_queued_per_user < 110 else 0}

    attempt = _attempts(figures)
    found = suggestions(attempt(Policy(), 1), Policy(), 1, attempt)
    assert [(one.field, one.value) for one in found] == [("max_queued_per_user", 132)]


def test_real_day_turns_jobs_away_until_the_suggested_limit_holds() -> None:
    policy = replace(Policy(), max_queued_per_user=5)
    day = source(*(job(number, at=0.1 * number) for number in range(20)))

    def attempt(other: Policy, slots: int) -> Rehearsed:
        return rehearse(day, slots, other, 0)

    before = attempt(policy, 1)
    assert before.totals["rejected"] > 0
    (limit,) = [one for one in suggestions(before, policy, 1, attempt) if one.field == "max_queued_per_user"]
    assert attempt(replace(policy, max_queued_per_user=int(limit.value)), 1).totals["rejected"] == 0


def test_two_reports_are_put_side_by_side() -> None:
    now = {"totals": {"jobs": 3, "preemptions": 1}, "classes": {"urgent": {"p50_wait_s": 2.0, "p99_wait_s": 3.0}},
           "peaks": {"queue": 4}, "policy": {"preempt_margin": 20}}  # fmt: skip
    before = {"totals": {"jobs": 3, "preemptions": 5}, "classes": {}, "peaks": {"queue": 1}, "policy": {"preempt_margin": 10}}
    rows = {row["name"]: row for row in compared(now, before)}
    assert (rows["preemptions"]["before"], rows["preemptions"]["now"], rows["preemptions"]["change"]) == (5, 1, -4)
    assert rows["urgent.p50_wait_s"]["change"] is None
    assert differences(now, before) == ["policy preempt_margin: 10 → 20"]


def test_number_that_one_of_two_policies_left_open_is_not_set_and_a_report_without_a_policy_is_held_against_none() -> None:
    now = {"kind": "simulated", "seed": 1, "policy": {"max_queued_per_user": 5, "preempt_margin": 10}}
    before = {"kind": "simulated", "seed": 1, "policy": {"max_queued_per_user": None, "new_here": 0.5, "preempt_margin": 10}}
    assert differences(now, before) == ["policy max_queued_per_user: not set → 5", "policy new_here: 0.5 → not set"]
    live = {"kind": "live", "seed": None}
    assert differences(live, now) == ["kind: simulated → live", "seed: 1 → not set"]
