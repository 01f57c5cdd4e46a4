"""Jobs on several slots at once: all of them in one step or none, kept for, stopped and lost as one."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler.core import events
from scheduler.core.actions import KillWorker, MoveJob, SendCancel, SendPreempt, SendRun
from scheduler.core.explain import why
from scheduler.core.job import JobState
from scheduler.core.machine import State
from scheduler.core.policy import Policy
from tests.unit.scheduler.core.studio import Studio


def stage(slots: int = 3, **policy: Any) -> Studio:
    """Slots whose engine can use all of them for one video."""
    return Studio(slots, state=State(Policy(**{"fair_share_points": 0.0} | policy), slots, gang_slots=slots))


def test_gang_takes_all_its_slots_in_one_step_and_gives_them_back_together() -> None:
    studio = stage()
    studio.submit("trio", slots_needed=3)
    run = studio.only(SendRun)
    assert (run.slot, run.members) == (0, ((1, "w1"), (2, "w2")))
    assert studio.running() == ["trio"] * 3
    studio.finish("trio")
    assert studio.running() == ["-"] * 3 and not studio.state.gangs


def test_idle_slots_are_kept_for_a_gang_and_who_ends_in_time_may_use_them() -> None:
    studio = stage()
    studio.submit("long", total_blocks=100)
    studio.start("long", 1)
    studio.submit("trio", slots_needed=3, priority=15)  # leads by too little to stop anybody
    studio.submit("longer", total_blocks=200)
    assert studio.running() == ["long", "-", "-"]
    studio.submit("short", total_blocks=50)
    assert studio.running() == ["long", "short", "-"]
    assert studio.all(MoveJob)[-1].body["rule"] == "backfill" and studio.all(MoveJob)[-1].body["instead_of"] == "trio"
    studio.finish("short")
    assert studio.running() == ["long", "-", "-"]
    studio.finish("long")
    assert studio.running() == ["trio"] * 3


def test_slots_left_over_beside_a_waiting_gang_are_for_anybody() -> None:
    studio = stage(4)
    for name in ("a", "b"):
        studio.submit(name, total_blocks=100)
    studio.submit("c", total_blocks=50)
    studio.submit("duo", slots_needed=2, priority=15)
    for name in ("d", "e"):
        studio.submit(name, total_blocks=300)
    assert studio.running() == ["a", "b", "c", "-"]  # when c ends, the gang needs both of them
    studio.finish("c")
    assert studio.running()[2:] == ["duo", "duo"]


def test_two_gangs_never_hold_what_the_other_waits_for() -> None:
    studio = stage(3)
    studio.submit("solo", total_blocks=10)
    studio.submit("first", slots_needed=3)
    studio.submit("second", slots_needed=3)
    assert studio.running() == ["solo", "-", "-"]
    studio.finish("solo")
    assert studio.running() == ["first"] * 3
    studio.finish("first")
    assert studio.running() == ["second"] * 3


def test_gang_stops_others_only_where_that_is_enough_and_gives_way_as_one() -> None:
    studio = stage(3)
    for name, priority in (("a", 10), ("b", 90), ("c", 10)):
        studio.submit(name, priority=priority, total_blocks=50)
        studio.start(name, 3)
    studio.submit("trio", slots_needed=3, priority=40)
    assert not studio.all(SendPreempt)  # b stays, so stopping the others would be in vain
    studio.cancel("trio")
    studio.submit("duo", slots_needed=2, priority=40)
    assert {action.slot for action in studio.all(SendPreempt)} == {0, 2}
    studio.stop("a")
    assert studio.running() == ["-", "b", "c"]
    studio.stop("c")
    assert studio.running() == ["duo", "b", "duo"]
    studio.start("duo", 3)
    studio.submit("urgent", priority=100)
    assert studio.only(SendPreempt).slot == 0
    studio.stop("duo")
    assert studio.running()[0] == "urgent" and "duo" not in studio.running()


def test_lost_worker_of_a_gang_costs_no_block_and_its_fellows_start_afresh() -> None:
    studio = stage(2)
    studio.submit("duo", slots_needed=2)
    studio.start("duo", 3)
    studio.lose(1)
    kill = studio.only(KillWorker)
    assert (kill.slot, kill.cause) == (0, "gang_broken")
    assert studio.job("duo").state is JobState.QUEUED and studio.job("duo").blocks_done == 3
    assert studio.state.slots[1].strikes == 1
    studio.lose(0, cause="killed")
    assert studio.state.slots[0].strikes == 0  # it is not to blame
    studio.ready(0, "w7")
    assert studio.running() == ["-", "-"]
    studio.ready(1, "w8")
    assert studio.only(SendRun).from_block == 3


@pytest.mark.parametrize("wish", ["cancel", "pause"])
def test_wishes_reach_all_slots_of_a_gang(wish: str) -> None:
    studio = stage(2)
    studio.submit("duo", slots_needed=2)
    studio.start("duo", 1)
    getattr(studio, wish)("duo")
    assert studio.only(SendCancel if wish == "cancel" else SendPreempt).slot == 0
    assert {slot.stop_cause for slot in studio.state.slots} == {"cancelled" if wish == "cancel" else "paused"}
    studio.stop("duo")
    assert studio.running() == ["-", "-"]


def test_gang_that_does_not_answer_is_stopped_as_one() -> None:
    studio = stage(2, lease_s=5.0)
    studio.submit("duo", slots_needed=2)
    studio.start("duo")
    studio.tick(6.0)
    assert {(kill.slot, kill.cause) for kill in studio.all(KillWorker)} == {(0, "lease_expired"), (1, "gang_broken")}


def test_gang_is_charged_for_each_of_its_slots() -> None:
    studio = stage(2, gpu_s_per_day_per_user=10.0)
    studio.submit("duo", slots_needed=2, total_blocks=8)  # 7.68 GPU seconds on two slots
    studio.submit("solo", total_blocks=5)
    assert studio.all(MoveJob)[-1].fields["error_code"] == "quota_spent"
    studio.start("duo")
    studio.at += 3.0
    studio.finish("duo")
    assert studio.state.spent.ms["team", "education"] == 6_000


def test_too_few_workers_for_a_gang_hold_nobody_else_back() -> None:
    studio = stage(3)
    studio.lose(2)
    studio.submit("trio", slots_needed=3, priority=50)
    studio.submit("solo", total_blocks=500)
    assert studio.running() == ["solo", "-", "-"]


def test_waiting_gang_says_how_many_slots_it_lacks() -> None:
    studio = stage(3)
    studio.submit("solo", total_blocks=100)
    studio.submit("trio", slots_needed=3)
    explanation = why(studio.state, "trio")
    assert explanation is not None
    assert {"rule": "gang", "job": None, "amount": 1, "until": None, "slots": 3, "free": 2} in explanation.data["blockers"]


@pytest.mark.parametrize(
    ("most", "asked", "extra", "code"),
    [
        (1, 2, {}, "one_slot_per_job"), (2, 3, {}, "too_many_together"), (3, 4, {}, "too_many_slots"),
        (3, 2, {"follows": "solo"}, "gang_in_session"),
    ],
)  # fmt: skip
def test_gang_that_cannot_be_is_refused_with_what_would_fit(most: int, asked: int, extra: dict[str, str], code: str) -> None:
    studio = Studio(3, state=State(Policy(), 3, gang_slots=most))
    studio.submit("solo")
    studio.submit("gang", slots_needed=asked, **extra)
    refused = studio.only(MoveJob)
    assert refused.fields["error_code"] == code and refused.target is JobState.REJECTED and not studio.state.gangs
    fits = "1, or to submit it apart from the session" if code == "gang_in_session" else most
    assert refused.fields["error_message"].endswith(f"What would fit: {fits}.")


def test_reserved_gang_needs_as_many_slots_at_that_time() -> None:
    studio = stage(3, reservation_notice_s=10.0)
    studio.submit("duo", slots_needed=2, start_at=studio.at + 100.0, total_blocks=100)
    studio.submit("pair", slots_needed=2, start_at=studio.at + 110.0)
    assert studio.only(MoveJob).fields["error_code"] == "reservation_taken"
    studio.submit("solo", start_at=studio.at + 110.0)
    assert studio.only(MoveJob).target is JobState.QUEUED


def test_state_found_after_a_restart_knows_its_gangs() -> None:
    studio = stage(2)
    studio.submit("duo", slots_needed=2)
    job = studio.job("duo")
    again = State.restore(studio.state.policy, 2, [job], gangs=studio.state.gangs, gang_slots=2)
    later = Studio(2, are_ready=False, state=again)
    later.feed(events.Booted(at=later.at))
    later.ready(0)
    assert later.running() == ["-", "-"]
    later.ready(1)
    assert later.running() == ["duo", "duo"]
