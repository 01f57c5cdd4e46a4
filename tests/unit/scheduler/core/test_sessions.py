"""Sessions: parts that follow each other on one slot, without a gap, and together or not at all."""

from __future__ import annotations

from scheduler.core.actions import ExpectRole, MoveJob, SendPreempt
from scheduler.core.explain import why
from scheduler.core.job import HoldReason, JobState
from tests.unit.scheduler.core.studio import Studio


def relay(studio: Studio, *names: str) -> None:
    before = ""
    for name in names:
        studio.submit(name, role=name, follows=before)
        before = name


def test_next_part_takes_the_slot_in_the_step_in_which_the_part_before_ends() -> None:
    studio = Studio()
    relay(studio, "lecturer", "assistant", "companion")
    studio.submit("other", priority=90)
    assert studio.job("companion").hold is HoldReason.AWAITING_TURN
    studio.finish("lecturer")
    assert studio.tags() == ["job:succeeded", "job:queued", "job:leased"]
    assert studio.running() == ["assistant"]
    studio.finish("assistant")
    studio.finish("companion")
    assert studio.running() == ["other"]


def test_role_of_the_next_part_is_asked_for_two_blocks_before_its_turn() -> None:
    studio = Studio(slots=1)
    relay(studio, "lecturer", "assistant", "companion")
    studio.submit("other", priority=90)
    studio.start("lecturer", blocks=studio.job("lecturer").total_blocks - 3)
    assert not studio.all(ExpectRole)
    studio.make("lecturer", 1)
    assert studio.only(ExpectRole) == ExpectRole(studio.state.slots[0].worker_id or "", "assistant")
    studio.make("lecturer", 1)
    assert not studio.all(ExpectRole), "once is enough"
    studio.finish("lecturer")
    studio.finish("assistant")
    studio.finish("companion")
    assert not studio.all(ExpectRole), "nothing follows the last part"


def test_role_that_follows_a_short_part_is_asked_for_when_that_begins() -> None:
    studio = Studio(slots=1)
    studio.submit("short", role="short", total_blocks=1)
    studio.submit("next", role="next", follows="short")
    studio.start("short")
    assert studio.only(ExpectRole).job_id == "next"


def test_role_that_follows_a_part_of_two_blocks_is_asked_for_once() -> None:
    studio = Studio(slots=1)
    studio.submit("short", role="short", total_blocks=2)
    studio.submit("next", role="next", follows="short")
    studio.start("short")
    assert studio.only(ExpectRole).job_id == "next"
    studio.make("short", 1)
    assert not studio.all(ExpectRole)


def test_session_is_torn_apart_by_urgent_jobs_only() -> None:
    studio = Studio()
    relay(studio, "lecturer", "assistant")
    studio.start("lecturer", blocks=3)
    studio.submit("j0", priority=99)
    assert not studio.all(SendPreempt)
    studio.submit("j1", priority=100)
    assert studio.only(SendPreempt).lease_id == "lecturer-1"


def test_urgent_job_that_waits_goes_before_the_next_part() -> None:
    studio = Studio(slots=1)
    relay(studio, "lecturer", "assistant")
    studio.start("lecturer", blocks=8)
    studio.submit("j0", priority=100)
    studio.finish("lecturer")
    assert studio.running() == ["j0"] and studio.job("assistant").hold is HoldReason.WAITING_FOR_SLOT


def test_urgent_job_that_may_not_play_now_tears_nothing_apart() -> None:
    for hindered in ({"user": "tom"}, {"role": "student"}):
        studio = Studio(slots=2, max_running_per_user=1)
        studio.role("student", never_with=("companion",))
        studio.submit("long", user="tom", role="companion", priority=100)
        studio.submit("lecturer", user="ada", role="teacher")
        studio.submit("assistant", user="ada", role="assistant", follows="lecturer")
        studio.submit("urgent", priority=100, **{"user": "eve", **hindered})
        studio.submit("other", user="bob", priority=50)
        studio.finish("lecturer")
        assert studio.running() == ["long", "assistant"]


def test_session_whose_part_is_cancelled_ends_as_a_whole() -> None:
    studio = Studio()
    relay(studio, "lecturer", "assistant", "companion")
    studio.submit("other")
    studio.fail("lecturer", can_retry=False)
    moves = [(move.job_id, move.target) for move in studio.all(MoveJob)]
    assert moves[:3] == [
        ("lecturer", JobState.FAILED), ("assistant", JobState.CANCELLED), ("companion", JobState.CANCELLED),
    ]  # fmt: skip
    assert studio.all(MoveJob)[1].fields["error_message"] == "It was to follow lecturer, which ended as FAILED."
    assert studio.running() == ["other"]


def test_part_that_is_paused_stays_so_and_waits_for_its_turn_when_resumed() -> None:
    studio = Studio()
    relay(studio, "lecturer", "assistant")
    studio.pause("assistant")
    studio.resume("assistant")
    assert studio.job("assistant").hold is HoldReason.AWAITING_TURN
    studio.pause("assistant")
    studio.finish("lecturer")
    assert studio.running() == ["-"]
    studio.resume("assistant")
    assert studio.running() == ["assistant"]


def test_waiting_part_says_what_it_waits_for() -> None:
    studio = Studio()
    relay(studio, "lecturer", "assistant")
    found = why(studio.state, "assistant")
    assert found is not None and "lecturer" in found.text["en"] and "lecturer" in found.text["zh"]
    assert found.data["blockers"][0] == {"rule": "awaiting_turn", "job": "lecturer", "amount": None, "until": None}


def test_nothing_follows_a_job_that_has_ended_or_is_followed_already() -> None:
    studio = Studio()
    relay(studio, "lecturer", "assistant")
    studio.submit("j0", follows="nobody")
    assert studio.only(MoveJob).fields["error_code"] == "unknown_predecessor"
    studio.submit("j9", follows="earlier", follows_end="SUCCEEDED")
    move = studio.only(MoveJob)
    assert move.fields["error_code"] == "predecessor_over" and "by itself" in move.fields["error_message"]
    assert move.fields["error_message"].startswith("earlier has succeeded already")
    assert "已成功完成" in move.body["decision"]["text"]["zh"]
    studio.submit("j1", follows="lecturer")
    move = studio.only(MoveJob)
    assert move.fields["error_code"] == "turn_taken" and move.fields["error_message"].endswith("to follow assistant.")
    assert studio.state.followers == {"lecturer": "assistant"}
    studio.submit("j2", follows="assistant")
    assert studio.job("j2").hold is HoldReason.AWAITING_TURN


def test_roles_share_a_session_only_where_their_relations_allow_it() -> None:
    studio = Studio(slots=2)
    studio.role("teacher", share_with=("student",))
    studio.role("presenter", never_with=("clown",))
    studio.submit("first")
    studio.submit("second", role="student", follows="first")
    assert studio.job("second").hold is HoldReason.AWAITING_TURN
    studio.submit("third", role="presenter", follows="second")
    move = studio.only(MoveJob)
    assert (move.target, move.fields["error_code"]) == (JobState.REJECTED, "session_roles")
    assert move.body["decision"]["terms"]["other"] == "first", "not only the part before it counts"
    assert "presenter" in move.body["decision"]["text"]["zh"]
    studio.submit("show", role="presenter")
    for role, is_sound in (("clown", False), ("juggler", True)):
        studio.submit(f"{role}1", role=role, follows="show")
        assert ("job:rejected" not in studio.tags()) is is_sound
