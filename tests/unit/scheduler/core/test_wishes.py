"""Cancel, pause, resume: at once where nothing runs, at the next block where something does, refused where illegal."""

from __future__ import annotations

import pytest

from scheduler.core import events
from scheduler.core.actions import DropContext, KillWorker, MoveJob, SendCancel, SendPreempt
from scheduler.core.job import HoldReason, JobState
from tests.unit.scheduler.core.studio import Studio


@pytest.fixture
def studio() -> Studio:
    """One slot that runs `j0`, while `j1` waits."""
    studio = Studio(grace_s=30.0)
    studio.submit("j0")
    studio.start("j0", blocks=3)
    studio.submit("j1")
    return studio


def test_queued_job_is_cancelled_at_once(studio: Studio) -> None:
    studio.cancel("j1")
    assert studio.only(MoveJob).target is JobState.CANCELLED
    assert studio.only(DropContext).job_id == "j1"


def test_running_job_is_cancelled_at_its_next_block(studio: Studio) -> None:
    studio.cancel("j0")
    move = studio.only(MoveJob)
    assert (move.source, move.target, move.tag) == (JobState.RUNNING, JobState.RUNNING, "job:cancel-requested")
    assert studio.only(SendCancel).lease_id == "j0-1"
    studio.cancel("j0")
    assert not studio.actions
    studio.feed(events.JobWasCancelled(at=studio.at, lease_id="j0-1", blocks_done=3))
    assert studio.tags() == ["job:cancelled", "job:leased"]
    assert studio.running() == ["j1"]


def test_cancelled_job_ends_cancelled_however_it_stops(studio: Studio) -> None:
    studio.cancel("j0")
    studio.stop("j0")
    assert studio.tags()[0] == "job:cancelled"
    studio.start("j1")
    studio.cancel("j1")
    studio.fail("j1")
    assert studio.tags() == ["job:cancelled"]
    studio.submit("j2")
    studio.cancel("j2")
    studio.lose()
    assert studio.tags() == ["worker:lost", "job:cancelled"]


def test_job_that_finishes_before_the_cancel_arrives_has_succeeded(studio: Studio) -> None:
    studio.cancel("j0")
    studio.finish("j0")
    assert studio.tags()[0] == "job:succeeded"


def test_cancel_of_a_stopping_job_overrides_the_preemption(studio: Studio) -> None:
    studio.submit("j2", priority=100)
    assert studio.job("j0").state is JobState.PREEMPTING
    studio.cancel("j0")
    assert studio.only(SendCancel)
    studio.stop("j0")
    assert studio.tags() == ["job:cancelled", "job:leased"]


def test_paused_running_job_stops_and_stays_out_of_the_line_until_resumed(studio: Studio) -> None:
    studio.pause("j0")
    assert (studio.only(MoveJob).tag, studio.job("j0").state) == ("job:paused", JobState.PREEMPTING)
    assert studio.only(SendPreempt).lease_id == "j0-1"
    studio.stop("j0")
    assert studio.job("j0").hold is HoldReason.PAUSED
    assert studio.job("j0").preemptions == 0
    assert studio.running() == ["j1"]
    studio.finish("j1")
    assert studio.running() == ["-"]
    studio.resume("j0")
    assert studio.tags() == ["job:resumed", "job:leased"]


def test_paused_queued_job_is_passed_over(studio: Studio) -> None:
    studio.pause("j1")
    assert studio.job("j1").hold is HoldReason.PAUSED
    studio.pause("j1")
    assert not studio.actions
    studio.finish("j0")
    assert studio.running() == ["-"]


def test_resume_before_the_stop_brings_the_job_back_at_once(studio: Studio) -> None:
    studio.pause("j0")
    studio.resume("j0")
    assert (studio.tags(), studio.job("j0").state) == (["job:resumed"], JobState.PREEMPTING)
    studio.stop("j0")
    assert studio.tags() == ["job:preempted", "job:leased"]
    assert studio.running() == ["j0"]


def test_pause_of_a_job_that_is_being_preempted_keeps_it_out_of_the_line(studio: Studio) -> None:
    studio.submit("j2", priority=100)
    studio.pause("j0")
    assert studio.tags() == ["job:paused"] and not studio.all(SendPreempt)
    studio.stop("j0")
    assert studio.job("j0").hold is HoldReason.PAUSED


def test_resumed_job_waits_for_what_else_holds_it_back(studio: Studio) -> None:
    studio.fail("j0")
    studio.pause("j0")
    assert studio.job("j0").hold is HoldReason.PAUSED
    studio.resume("j0")
    assert studio.job("j0").hold is HoldReason.RETRYING
    studio.pause("j0")
    studio.role("teacher", is_available=False)
    studio.resume("j0")
    assert studio.job("j0").hold is HoldReason.ROLE_UNAVAILABLE
    studio.tick(60)
    studio.role("teacher")
    assert studio.job("j0").hold is HoldReason.WAITING_FOR_SLOT


def test_pausing_leaves_an_open_question_open() -> None:
    studio = Studio(slot_memory_bytes=1)
    studio.submit("j0", context_bytes=2, alternatives=(("small", 1),))
    studio.pause("j0")
    assert studio.job("j0").hold is HoldReason.AWAITING_CONSENT
    studio.feed(events.ConsentAnswered(at=studio.at, job_id="j0", is_agreed=True))
    assert studio.job("j0").hold is HoldReason.PAUSED
    studio.resume("j0")
    assert studio.running() == ["j0"]


def test_worker_that_does_not_stop_within_the_grace_is_killed_once_and_the_job_not_blamed(studio: Studio) -> None:
    studio.pause("j0")
    studio.tick(29)
    assert not studio.actions
    studio.tick(2)
    assert studio.only(KillWorker).cause == "grace_over"
    studio.tick(5)
    assert not studio.actions
    studio.lose(cause="killed")
    assert studio.job("j0").crashes == 0 and studio.job("j0").hold is HoldReason.PAUSED
    assert studio.state.slots[0].strikes == 0


@pytest.mark.parametrize(
    ("event", "code", "words"),
    [
        (events.CancelRequested(at=0.0, job_id="nobody"), "unknown_job", "nobody"),
        (events.ResumeRequested(at=0.0, job_id="j1"), "illegal_move", "not paused"),
        (events.ConsentAnswered(at=0.0, job_id="j1", is_agreed=True), "nothing_to_consent", "j1"),
    ],
)
def test_illegal_wish_is_refused_and_changes_nothing(
    studio: Studio, event: events.Event, code: str, words: str
) -> None:
    before = repr(studio.state.jobs)
    studio.feed(event)
    assert studio.refusal().code == code
    assert words in studio.refusal().message
    assert repr(studio.state.jobs) == before


def test_refusal_tells_the_story_of_a_job_that_has_ended(studio: Studio) -> None:
    studio.finish("j0")
    studio.pause("j0")
    assert studio.refusal().code == "illegal_move"
    assert studio.refusal().message == "Cannot pause job j0: it has ended as SUCCEEDED."
    assert studio.refusal().story[-1].endswith("job:succeeded → SUCCEEDED")
    assert any("job:leased → LEASED" in line for line in studio.refusal().story)


def test_job_that_is_being_cancelled_cannot_be_paused(studio: Studio) -> None:
    studio.cancel("j0")
    studio.pause("j0")
    assert studio.refusal().code == "illegal_move"


def test_removed_role_holds_its_queued_jobs_and_leaves_the_running_one(studio: Studio) -> None:
    studio.role("teacher", is_available=False)
    assert studio.tags() == ["role:changed", "job:queued"]
    assert studio.job("j1").hold is HoldReason.ROLE_UNAVAILABLE
    assert studio.job("j0").state is JobState.RUNNING
    studio.lose()
    assert studio.job("j0").hold is HoldReason.ROLE_UNAVAILABLE


def test_story_stays_short_over_many_moves(studio: Studio) -> None:
    for _ in range(30):
        studio.pause("j1")
        studio.resume("j1")
    assert len(studio.state.story("j1")) == 12
