"""Quotas of users, teams and roles, reserved times, warm roles: what is refused, what waits, and what it is told."""

from __future__ import annotations

import re
from typing import Any

import pytest

from scheduler.core import events
from scheduler.core.actions import MoveJob, SendPreempt
from scheduler.core.explain import situation_of, why
from scheduler.core.job import HoldReason, JobState
from scheduler.core.ladder import DEVICE, Rung
from scheduler.core.policy import Policy, PolicyError
from scheduler.core.usage import Spent
from tests.unit.scheduler.core.studio import Studio


def rejected(studio: Studio) -> MoveJob:
    move = studio.only(MoveJob)
    assert move.target is JobState.REJECTED
    return move


# ---- queued jobs and GPU seconds ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "name"), [("team", "education"), ("role", "teacher")])
def test_queue_of_a_team_or_role_has_its_own_limit(kind: str, name: str) -> None:
    studio = Studio(are_ready=False, **{f"max_queued_per_{kind}": 2})
    for number in range(3):
        studio.submit(f"j{number}", user=f"user{number}")
    move = rejected(studio)
    assert move.fields["error_code"] == "queue_full"
    assert name in move.body["decision"]["text"]["en"] and name in move.body["decision"]["text"]["zh"]
    assert (move.body["decision"]["terms"]["kind"], move.body["decision"]["terms"]["limit"]) == (kind, 2)


@pytest.mark.parametrize("kind", ["user", "team", "role"])
def test_day_that_is_spent_refuses_with_what_would_fit(kind: str) -> None:
    studio = Studio(are_ready=False, **{f"gpu_s_per_day_per_{kind}": 10.0})
    studio.submit("j0", total_blocks=15, block_ms=500)
    studio.submit("j1", total_blocks=15, block_ms=500)
    move = rejected(studio)
    terms = move.body["decision"]["terms"]
    assert move.fields["error_code"] == "quota_spent" and terms["fitting_blocks"] == 5
    assert (terms["used"], terms["needed"], terms["until"]) == (7.5, 7.5, 86_400.0)
    assert terms["fitting_s"] == 2.4 and all("2.4" in text for text in move.body["decision"]["text"].values())
    assert "What would fit: 2.4 s of video (5 blocks)." in move.fields["error_message"]
    assert all("00:00 UTC" in text for text in move.body["decision"]["text"].values())
    studio.submit("j2", total_blocks=5, block_ms=500)
    assert studio.job("j2").state is JobState.QUEUED


def test_day_in_which_nothing_fits_any_more_says_so() -> None:
    studio = Studio(are_ready=False, gpu_s_per_day_per_user=8.0)
    studio.submit("j0", total_blocks=15, block_ms=500)
    studio.submit("j1", total_blocks=15, block_ms=501)
    decision = rejected(studio).body["decision"]
    assert decision["terms"]["fitting_blocks"] == 0 and "What would fit: nothing today" in decision["text"]["en"]
    assert "一块视频也放不下" in decision["text"]["zh"] and all("00:00 UTC" in text for text in decision["text"].values())


def test_day_that_is_spent_by_little_does_not_look_as_if_it_fitted() -> None:
    studio = Studio(are_ready=False, gpu_s_per_day_per_user=10.5)
    studio.submit("a", total_blocks=15, block_ms=503)
    studio.submit("b", total_blocks=6, block_ms=498)
    text = rejected(studio).body["decision"]["text"]["en"]
    used, limit, needed = (float(number) for number in re.findall(r"\d+\.\d+", text)[:3])
    assert limit == 10.5 and used >= 7.545 and needed >= 2.988 and used + needed > limit


def test_seconds_really_used_count_and_the_next_day_begins_anew() -> None:
    studio = Studio(gpu_s_per_day_per_user=100.0, quota_day_starts_s=2_000.0)
    studio.submit("j0", total_blocks=2)
    studio.start("j0")
    studio.at += 96.0
    studio.submit("j1", total_blocks=10)
    assert rejected(studio).body["decision"]["terms"]["used"] == pytest.approx(96.96)
    studio.finish("j0")
    studio.submit("j2", total_blocks=10)
    assert rejected(studio).body["decision"]["terms"]["used"] == pytest.approx(96.0)
    studio.at = 2_001.0
    studio.submit("j3", total_blocks=10)
    assert studio.job("j3").state is JobState.LEASED


def test_seconds_of_a_cancelled_job_are_given_back() -> None:
    studio = Studio(are_ready=False, gpu_s_per_day_per_user=10.0)
    studio.submit("j0", total_blocks=20)
    studio.cancel("j0")
    studio.submit("j1", total_blocks=20)
    assert studio.job("j1").state is JobState.QUEUED


def test_spent_seconds_survive_a_restart() -> None:
    studio = Studio(gpu_s_per_day_per_user=100.0)
    studio.submit("j0")
    studio.at += 50.0
    studio.finish("j0")
    kept = Spent.from_mapping(studio.state.spent.to_mapping())
    assert kept.ms == studio.state.spent.ms and kept.ms["user", "education-team"] == 50_000


# ---- running jobs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["user", "team", "role"])
def test_nobody_has_more_running_jobs_than_the_quota(kind: str) -> None:
    studio = Studio(slots=2, **{f"max_running_per_{kind}": 1})
    studio.submit("j0")
    studio.submit("j1")
    other: dict[str, Any] = {"user": "market-team", "team": "market", "role": "presenter"}
    studio.submit("j2", **other)
    assert studio.running() == ["j0", "j2"]
    found = why(studio.state, "j1")
    assert found is not None and found.reason is HoldReason.QUOTA_RUNNING
    assert found.data["blockers"][0] | {"name": ""} == {
        "rule": "quota_running", "job": "j0", "jobs": ["j0"], "amount": 1, "until": None, "kind": kind, "name": "",
        "limit": 1, "used": 1,
    }  # fmt: skip
    assert "at most 1" in found.text["en"] and "上限为 1" in found.text["zh"]
    studio.finish("j0")
    assert studio.running() == ["j1", "j2"]


def test_at_its_quota_an_urgent_job_may_take_the_place_of_its_own_only() -> None:
    studio = Studio(slots=2, max_running_per_user=1)
    studio.submit("j0", priority=50)
    studio.submit("j1", user="market-team", priority=5)
    studio.submit("j2", priority=100)
    assert studio.only(SendPreempt).lease_id == "j0-1"


# ---- slots and times ------------------------------------------------------------------------------------------------


def test_gang_is_refused_with_what_would_fit() -> None:
    studio = Studio(slots=2)
    studio.submit("j0", slots_needed=3)
    assert rejected(studio).fields["error_code"] == "too_many_slots"
    studio.submit("j1", slots_needed=2)
    assert rejected(studio).fields["error_code"] == "one_slot_per_job"


def test_reserved_job_waits_for_its_time_and_then_takes_a_slot_within_a_block() -> None:
    studio = Studio(reservation_notice_s=60.0, lease_s=1e4)
    studio.submit("j0", start_at=studio.at + 100, priority=0)
    assert studio.job("j0").hold is HoldReason.SCHEDULED and studio.running() == ["-"]
    found = why(studio.state, "j0")
    assert found is not None and found.data["until"] == studio.at + 100
    studio.submit("j1", priority=99, total_blocks=4000)
    studio.start("j1", blocks=3)
    studio.tick(99)
    assert studio.running() == ["j1"]
    studio.tick(1)
    assert studio.all(MoveJob)[-1].body["rule"] == "reserved"
    studio.submit("j2", priority=100)
    studio.stop("j1")
    assert studio.running() == ["j0"], "it was promised before"
    assert studio.job("j0").state is JobState.LEASED


def test_urgent_job_does_not_stop_a_reserved_one() -> None:
    studio = Studio(reservation_notice_s=0.0)
    studio.submit("j0", start_at=studio.at, priority=0)
    studio.start("j0", blocks=3)
    studio.submit("j1", priority=100)
    assert studio.running() == ["j0"] and not studio.all(SendPreempt)


def test_reservation_is_refused_when_late_or_taken_with_a_time_that_fits() -> None:
    studio = Studio(reservation_notice_s=60.0)
    studio.submit("j0", start_at=studio.at + 59)
    assert rejected(studio).fields["error_code"] == "reserved_too_late"
    studio.submit("j1", start_at=studio.at + 100, total_blocks=100, block_ms=1000)
    studio.submit("j2", start_at=studio.at + 150, total_blocks=10, block_ms=1000)
    move = rejected(studio)
    assert move.fields["error_code"] == "reservation_taken"
    fits_at = move.body["decision"]["terms"]["fits_at"]
    assert fits_at == studio.at + 200
    studio.submit("j3", start_at=fits_at, total_blocks=10, block_ms=1000)
    assert studio.job("j3").hold is HoldReason.SCHEDULED


def test_before_a_reservation_a_short_job_is_filled_in() -> None:
    studio = Studio(reservation_notice_s=0.0, backfill_points=5.0)
    studio.submit("j0")
    studio.submit("j1", start_at=studio.at + 60)
    studio.submit("long", priority=12, total_blocks=400)
    studio.submit("short", priority=9, total_blocks=20)
    studio.finish("j0")
    assert studio.running() == ["short"]
    assert studio.all(MoveJob)[-1].body["rule"] == "backfill"
    studio.finish("short")
    assert studio.running() == ["long"], "a slot never idles for a reservation"


def test_backfill_costs_a_waiting_job_no_more_than_its_points() -> None:
    studio = Studio(reservation_notice_s=0.0, backfill_points=5.0)
    studio.submit("j0")
    studio.submit("j1", start_at=studio.at + 60)
    studio.submit("long", priority=16, total_blocks=400)
    studio.submit("short", priority=10, total_blocks=20)
    studio.finish("j0")
    assert studio.running() == ["long"]


# ---- warm roles -----------------------------------------------------------------------------------------------------


def test_slot_prefers_the_role_it_played_last_within_a_few_points() -> None:
    studio = Studio()
    studio.submit("j0")
    studio.submit("cold", role="presenter", priority=12)
    studio.submit("warm", priority=10)
    studio.finish("j0")
    assert studio.running() == ["warm"]
    body = studio.all(MoveJob)[-1].body
    assert (body["rule"], body["instead_of"], body["points_behind"]) == ("warm_role", "cold", 2.0)


def test_cold_job_is_never_passed_over_by_those_that_came_much_later() -> None:
    studio = Studio(ageing_per_s=0.1, affinity_points=3.0)
    studio.submit("j0")
    studio.submit("cold", role="presenter")
    for number in range(1, 10):
        studio.at += 10.0
        studio.submit(f"j{number}")
        studio.finish(f"j{number - 1}")
        if "cold" in studio.running():
            break
    assert "cold" in studio.running() and number <= 4  # 3 points are 30 seconds


def test_free_slot_that_played_the_role_is_taken_before_another() -> None:
    studio = Studio(slots=2)
    studio.submit("j0", role="presenter")
    studio.submit("j1")
    studio.finish("j0")
    studio.finish("j1")
    studio.submit("j2")
    assert studio.running() == ["-", "j2"]


# ---- preemption with cost -------------------------------------------------------------------------------------------


def test_each_preemption_of_a_job_makes_the_next_dearer() -> None:
    studio = Studio(ageing_per_s=0.0, preempt_points_per_s=8.0, preempt_cost_s=1.0)
    studio.submit("j0", priority=10, total_blocks=400)
    studio.start("j0", blocks=3)
    studio.submit("j1", priority=22)
    studio.stop("j0")
    studio.finish("j1")
    studio.start("j0", blocks=3)
    studio.submit("j2", priority=25)
    assert not studio.all(SendPreempt)  # 15 points ahead, 16 would be lost
    studio.submit("j3", priority=26)
    assert studio.only(SendPreempt).lease_id == "j0-2"
    assert studio.all(MoveJob)[-1].body["cost"] == 16.0


def test_job_that_is_nearly_done_keeps_its_slot() -> None:
    studio = Studio(preempt_cost_s=2.0)
    studio.submit("j0", total_blocks=8)
    studio.start("j0", blocks=4)
    studio.submit("j1", priority=60)
    assert not studio.all(SendPreempt)
    studio.submit("j2", priority=100)
    assert studio.only(SendPreempt).lease_id == "j0-1"


LADDER = (
    Rung(name="caches", kind=DEVICE), Rung(name="", predicted_bytes=10),
    Rung(name="steps=3", predicted_bytes=8, needs_consent=True),
)  # fmt: skip


@pytest.mark.parametrize(("degrade", "is_eased"), [("allow", True), ("ask", False), ("never", False)])
def test_job_that_would_soon_be_done_with_fewer_steps_takes_them_instead_of_giving_way(degrade: str, is_eased: bool) -> None:
    studio = Studio(degrade_within_s=10.0)
    studio.submit("j0", total_blocks=20, degrade=degrade)
    studio.feed(events.JobWasStarted(at=studio.at, lease_id=studio.lease("j0"), resume="fresh", ladder=LADDER))
    studio.make("j0", 3)
    studio.submit("j1", priority=50)
    assert studio.tags() == ["job:queued", "job:degraded" if is_eased else "job:preempting"]
    studio.stop("j0")
    assert studio.running() == ["j0" if is_eased else "j1"]
    if is_eased:
        assert (studio.job("j0").rungs, studio.job("j0").preemptions) == ("steps=3", 0)
        studio.feed(events.JobWasStarted(at=studio.at, lease_id=studio.lease("j0"), resume="continuous", ladder=LADDER))
        studio.make("j0", 2)
        assert studio.job("j0").state is JobState.RUNNING, "it gave up steps to keep its slot"
        studio.submit("j2", priority=100)
        assert studio.job("j0").state is JobState.PREEMPTING, "from whom but the urgent"


def test_long_job_is_not_degraded_for_the_sake_of_another() -> None:
    studio = Studio(degrade_within_s=10.0)
    studio.submit("j0", total_blocks=200, degrade="allow")
    studio.feed(events.JobWasStarted(at=studio.at, lease_id=studio.lease("j0"), resume="fresh", ladder=LADDER))
    studio.make("j0", 3)
    studio.submit("j1", priority=50)
    assert studio.tags() == ["job:queued", "job:preempting"]


@pytest.mark.parametrize(("degrade", "ahead_s", "is_eased"), [
    ("allow", 8.5, True),  # 9.6 s as asked, 7.2 s with three steps
    ("allow", 20.0, False),  # in time as it is
    ("allow", 5.0, False),  # late all the same
    ("ask", 8.5, False),
])  # fmt: skip
def test_job_that_would_miss_its_deadline_takes_fewer_steps_where_these_keep_it(
    degrade: str, ahead_s: float, is_eased: bool
) -> None:
    studio = Studio(degrade_late_s=0.5)
    studio.submit("j0", total_blocks=20, degrade=degrade, deadline=studio.at + ahead_s)
    studio.feed(events.JobWasStarted(at=studio.at, lease_id=studio.lease("j0"), resume="fresh", ladder=LADDER))
    studio.make("j0", 1)
    assert ("job:degraded" in studio.tags()) is is_eased
    if is_eased:
        assert studio.only(SendPreempt).slot == 0 and studio.all(MoveJob)[-1].body["cause"] == "deadline"
        studio.stop("j0")
        assert (studio.running(), studio.job("j0").rungs, studio.job("j0").preemptions) == (["j0"], "steps=3", 0)


def test_preference_may_not_reach_the_margin() -> None:
    with pytest.raises(PolicyError, match="affinity_points 10 reaches preempt_margin"):
        Policy(affinity_points=10)


# ---- maintenance ----------------------------------------------------------------------------------------------------

SATURDAY_3 = 1_760_000_000.0 // 604_800 * 604_800 + 2 * 86_400 + 3 * 3600  # the clock began on a Thursday


def test_maintenance_stops_what_runs_at_its_block_and_gives_the_slot_back() -> None:
    studio = Studio(slots=2, maintenance_windows=["sat 03:00-04:30 slots 0"], lease_s=1e6, grace_s=1e6)
    studio.at = SATURDAY_3 - 10
    studio.submit("j0", total_blocks=4000)
    studio.start("j0", blocks=3)
    studio.tick(9)
    assert studio.running() == ["j0", "-"]
    studio.tick(1)
    assert studio.tags() == ["slot:drained", "job:preempting"]
    studio.stop("j0")
    assert studio.running() == ["-", "j0"] and studio.job("j0").preemptions == 0
    studio.submit("j1", user="market-team")
    assert studio.running() == ["-", "j0"]
    studio.tick(5_399)
    assert studio.running() == ["-", "j0"]
    studio.tick(1)
    assert studio.tags()[0] == "slot:returned" and studio.running() == ["j1", "j0"]


def test_job_that_waits_for_the_end_of_maintenance_is_told_when_that_is() -> None:
    studio = Studio(maintenance_windows=["sat 03:00-04:30"])
    studio.at = SATURDAY_3
    studio.tick(0)
    studio.submit("j0")
    found = why(studio.state, "j0")
    assert found is not None and found.reason is HoldReason.SLOT_DRAINED
    assert found.data["blockers"] == [{"rule": "slot_drained", "job": None, "amount": 1, "until": SATURDAY_3 + 5_400}]
    assert found.text["en"].startswith("Every slot is in maintenance") and "维护" in found.text["zh"]
    assert situation_of(studio.state).maintained_slots == 1
    studio.feed(events.SlotDrained(at=studio.at, slot=0, is_drained=True))
    assert situation_of(studio.state).maintained_slots == 0, "it does not come back by itself any more"
    found = why(studio.state, "j0")
    assert found is not None and found.text["en"] == "Every slot is drained; none takes new work."


def test_first_slot_that_maintenance_gives_back_is_told_where_another_is_drained_by_hand() -> None:
    studio = Studio(slots=2, maintenance_windows=["sat 03:00-04:30 slots 1"])
    studio.at = SATURDAY_3
    studio.tick(0)
    studio.feed(events.SlotDrained(at=studio.at, slot=0, is_drained=True))
    studio.submit("j0")
    found = why(studio.state, "j0")
    assert found is not None
    assert found.data["blockers"] == [{"rule": "slot_drained", "job": None, "amount": 2, "until": SATURDAY_3 + 5_400}]
    assert found.text["en"] == "Every slot is drained or in maintenance; the first takes work again in 5400 s."
    assert "5400 秒后" in found.text["zh"]


@pytest.mark.parametrize("text", ["sat 3-4", "someday 03:00-04:00", "sat 25:00-26:00", "sat 03:00-04:00 slots a", ""])
def test_window_that_nobody_understands_is_refused(text: str) -> None:
    with pytest.raises(PolicyError, match="maintenance_windows has"):
        Policy(maintenance_windows=(text,))


def test_window_may_go_over_midnight_and_over_the_week() -> None:
    window = Policy(maintenance_windows=("sun 22:00-01:00",)).windows[0]
    sunday_23 = SATURDAY_3 + 86_400 + 20 * 3600
    assert window.ends_at(sunday_23) == sunday_23 + 2 * 3600 == window.ends_at(sunday_23 + 3600)
    assert window.ends_at(sunday_23 + 2 * 3600) is None and window.ends_at(sunday_23 - 3601) is None
