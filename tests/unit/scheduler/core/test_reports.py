"""What workers say: progress, fencing, order of blocks, failures."""

from __future__ import annotations

import pytest

from scheduler.core import events
from scheduler.core.actions import DropContext, KillWorker, MoveJob, Record
from scheduler.core.job import HoldReason, JobState
from tests.unit.scheduler.core.studio import Studio


@pytest.fixture
def studio() -> Studio:
    """One slot that runs `j0` (eight blocks), not begun yet."""
    studio = Studio(lease_s=60.0, retry_backoff_s=2.0, max_retries=2)
    studio.submit("j0")
    return studio


def test_start_is_recorded_with_its_time_and_kind_of_resume(studio: Studio) -> None:
    studio.feed(events.JobWasStarted(at=studio.at, lease_id="j0-1", resume="fresh"))
    move = studio.only(MoveJob)
    assert (move.source, move.target, move.tag) == (JobState.LEASED, JobState.RUNNING, "job:started")
    assert move.fields == {"lease_until": studio.at + 60.0, "resume": "fresh", "started_at": studio.at}
    studio.feed(events.JobWasStarted(at=studio.at, lease_id="j0-1", resume="fresh"))
    assert not studio.actions


def test_finished_block_is_counted_and_renews_the_lease(studio: Studio) -> None:
    studio.start("j0")
    studio.at += 30
    studio.make("j0", 1)
    move = studio.only(MoveJob)
    assert (move.source, move.target, move.tag) == (JobState.RUNNING, JobState.RUNNING, "block:finished")
    assert move.fields == {"blocks_done": 1, "lease_until": studio.at + 60.0}
    assert move.body["block"] == 0
    studio.tick(59)
    assert not studio.actions


def test_block_reported_again_changes_nothing_but_renews_the_lease(studio: Studio) -> None:
    studio.start("j0", blocks=2)
    studio.at += 50
    studio.feed(events.BlockWasDone(at=studio.at, lease_id="j0-1", block=1))
    assert not studio.actions
    studio.tick(50)
    assert not studio.actions


def test_worker_that_makes_steps_keeps_its_lease_however_slow_the_block_is(studio: Studio) -> None:
    studio.start("j0")
    for _ in range(4):
        studio.at += 50
        studio.feed(events.WorkWasSeen(at=studio.at, lease_id="j0-1"))
        assert not studio.actions
    studio.tick(59)
    assert not studio.actions
    studio.tick(2)
    assert studio.only(KillWorker).cause == "lease_expired"


def test_lease_holds_as_long_as_a_step_may_take_and_a_later_sight_does_not_shorten_it(studio: Studio) -> None:
    studio.start("j0")
    studio.feed(events.WorkWasSeen(at=studio.at, lease_id="j0-1", allowed_s=92.0))
    studio.feed(events.WorkWasSeen(at=studio.at, lease_id="j0-1", allowed_s=5.0))
    studio.tick(91)
    assert not studio.actions
    studio.tick(2)
    assert studio.only(KillWorker).cause == "lease_expired"


def test_sight_of_a_lease_that_has_ended_changes_nothing_and_is_no_refusal(studio: Studio) -> None:
    studio.start("j0", blocks=2)
    studio.lose()
    studio.ready(worker_id="w9")
    assert studio.feed(events.WorkWasSeen(at=studio.at + 50, lease_id="j0-1")) == []
    studio.tick(61)
    assert studio.only(KillWorker).cause == "lease_expired", "the new lease was not renewed by the old one's"


@pytest.mark.parametrize("block", [3, 8, -1])
def test_gap_in_the_blocks_is_refused_and_recorded(studio: Studio, block: int) -> None:
    studio.start("j0", blocks=2)
    studio.feed(events.BlockWasDone(at=studio.at, lease_id="j0-1", block=block))
    record = studio.only(Record)
    assert (record.tag, record.outcome, record.body["reason"]) == ("report:refused", "refused", "out_of_order")
    assert record.body["expected"] == 2
    assert studio.job("j0").blocks_done == 2


def test_more_blocks_than_the_job_has_are_refused(studio: Studio) -> None:
    studio.start("j0", blocks=8)
    studio.feed(events.BlockWasDone(at=studio.at, lease_id="j0-1", block=8))
    assert studio.only(Record).body["expected"] is None


def test_reports_of_an_old_lease_are_refused_and_change_nothing(studio: Studio) -> None:
    studio.start("j0", blocks=2)
    studio.lose()
    studio.ready(worker_id="w9")
    assert studio.lease("j0") == "j0-2"
    at, old = studio.at, "j0-1"
    late: list[events.Event] = [
        events.JobWasStarted(at=at, lease_id=old, resume="fresh"),
        events.BlockWasDone(at=at, lease_id=old, block=2),
        events.JobWasPreempted(at=at, lease_id=old, blocks_done=2),
        events.JobWasCancelled(at=at, lease_id=old, blocks_done=2),
        events.JobHasSucceeded(at=at, lease_id=old),
        events.JobHasFailed(at=at, lease_id=old, code="x", can_retry=False),
    ]
    for event in late:
        (record,) = studio.feed(event)
        assert isinstance(record, Record)
        assert (record.tag, record.subject, record.body["reason"]) == ("report:refused", "job:j0", "old_lease")
        assert record.body["report"] == type(event).__name__
    assert (studio.job("j0").state, studio.job("j0").blocks_done) == (JobState.LEASED, 2)


def test_success_frees_slot_and_context(studio: Studio) -> None:
    studio.finish("j0")
    move = studio.only(MoveJob)
    assert move.target is JobState.SUCCEEDED and move.fields["finished_at"] == studio.at
    assert move.fields["slot"] is None and move.fields["lease_id"] is None
    assert studio.only(DropContext).job_id == "j0"
    assert not studio.state.jobs


def test_success_with_missing_blocks_is_refused(studio: Studio) -> None:
    studio.start("j0", blocks=7)
    studio.feed(events.JobHasSucceeded(at=studio.at, lease_id="j0-1"))
    assert studio.only(Record).body["reason"] == "too_early"
    assert studio.job("j0").state is JobState.RUNNING


def test_failure_that_can_be_retried_waits_longer_each_time_and_then_ends(studio: Studio) -> None:
    waits = []
    for _ in range(2):
        studio.start("j0")
        studio.fail("j0")
        assert studio.tags() == ["job:retried"]
        assert studio.job("j0").hold is HoldReason.RETRYING
        waits.append(studio.job("j0").not_before - studio.at)
        studio.tick(waits[-1] - 0.1)
        assert studio.running() == ["-"]
        studio.tick(0.2)
        assert studio.tags() == ["job:queued", "job:leased"]
    assert waits == [2.0, 4.0]
    studio.fail("j0")
    assert studio.tags() == ["job:failed"]
    assert studio.only(MoveJob).fields["error_code"] == "engine_error"


def test_new_block_sets_the_count_of_retries_back(studio: Studio) -> None:
    for _ in range(5):
        studio.start("j0", blocks=1)
        studio.fail("j0")
        assert studio.job("j0").retries == 1
        studio.tick(2.1)
    assert studio.job("j0").blocks_done == 5


def test_failure_that_no_retry_can_help_ends_the_job(studio: Studio) -> None:
    studio.start("j0", blocks=1)
    studio.fail("j0", can_retry=False, code="bad_media")
    move = studio.only(MoveJob)
    assert (move.target, move.fields["error_code"]) == (JobState.FAILED, "bad_media")
    assert studio.only(DropContext).job_id == "j0"


def test_job_that_stops_unasked_is_recovered_and_not_for_ever(studio: Studio) -> None:
    for _ in range(2):
        studio.stop("j0")
        assert studio.tags() == ["job:recovered", "job:leased"]
    studio.stop("j0")
    assert studio.only(MoveJob).fields["error_code"] == "poison_job"
