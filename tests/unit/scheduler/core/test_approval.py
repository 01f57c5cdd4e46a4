"""Runs that wait for the approval of their preview: held, let into the line, ended, and what a restart makes of them."""

from __future__ import annotations

import pytest

from scheduler.core import events
from scheduler.core.actions import MoveJob, Refuse
from scheduler.core.explain import why
from scheduler.core.invariants import check_invariants
from scheduler.core.job import HoldReason, Job, JobState
from scheduler.core.machine import State, step
from tests.unit.scheduler.core.studio import Studio


def previewed(**overrides: object) -> Studio:
    """A studio with an expensive job, `main`, that waits for the approval of `cheap`."""
    studio = Studio()
    studio.submit("main", preview="cheap", total_blocks=200, **overrides)
    studio.submit("cheap", total_blocks=4)
    return studio


def judge(studio: Studio, job_id: str = "main", *, is_approved: bool = True) -> None:
    studio.feed(events.PreviewJudged(at=studio.at, job_id=job_id, is_approved=is_approved))


def renew(studio: Studio, preview: str) -> None:
    studio.feed(events.PreviewRenewed(at=studio.at, job_id="main", preview=preview))


def test_expensive_job_is_held_while_its_preview_runs_and_says_for_what_it_waits() -> None:
    studio = previewed()
    assert studio.running() == ["cheap"] and studio.job("main").hold is HoldReason.APPROVAL
    told = why(studio.state, "main")
    assert told is not None and "is being made" in told.text["en"] and "cheap" in told.text["zh"]
    assert told.data["blockers"][0] == {"rule": "approval", "job": "cheap", "amount": None, "until": None}


def test_approval_lets_the_job_into_the_line_and_says_how_long_it_waited() -> None:
    studio = previewed()
    studio.finish("cheap")
    told = why(studio.state, "main")
    assert studio.running() == ["-"] and told is not None and "ready" in told.text["en"], "done is not yet approved"
    studio.tick(30.0)
    judge(studio)
    assert studio.tags() == ["job:approved", "job:leased"] and studio.running() == ["main"]
    body = studio.all(MoveJob)[0].body
    assert body == {"preview": "cheap", "preview_end": "SUCCEEDED", "waited_s": 30.0}
    assert studio.job("main").approved_at == studio.at


def test_rejection_ends_the_job_with_its_reason() -> None:
    studio = previewed()
    studio.finish("cheap")
    judge(studio, is_approved=False)
    move = studio.only(MoveJob)
    assert (move.target, move.body["cause"]) == (JobState.CANCELLED, "preview_rejected") and "main" not in studio.state.jobs
    assert "cheap was rejected" in move.fields["error_message"] and studio.running() == ["-"]


@pytest.mark.parametrize(("end", "words"), [("fail", "failed"), ("cancel", "was cancelled")])
def test_preview_that_comes_to_nothing_leaves_the_job_held_with_the_way_out(end: str, words: str) -> None:
    studio = previewed()
    if end == "fail":
        studio.fail("cheap", can_retry=False)
    else:
        studio.feed(events.QueuePaused(at=studio.at))
        studio.cancel("cheap")
        studio.feed(events.JobWasCancelled(at=studio.at, lease_id=studio.lease("cheap"), blocks_done=0))
        studio.feed(events.QueueResumed(at=studio.at))
    told = why(studio.state, "main")
    assert studio.job("main").hold is HoldReason.APPROVAL and told is not None
    said = told.text["en"]
    assert words in said and "approve this job" in said and "Make the preview again" in said and "批准" in told.text["zh"]
    judge(studio)
    assert studio.running() == ["main"]


def test_preview_that_came_to_nothing_is_made_again_and_its_approval_lets_the_job_go_on() -> None:
    studio = previewed()
    renew(studio, "second")
    assert studio.only(Refuse).code == "preview_stands", "it is still being made"
    studio.fail("cheap", can_retry=False)
    studio.submit("second", total_blocks=4)
    renew(studio, "second")
    assert studio.only(MoveJob).body["instead_of"] == "cheap" and studio.running() == ["second"]
    told = why(studio.state, "main")
    assert told is not None and "second is being made" in told.text["en"]
    judge(studio)
    assert studio.only(Refuse).code == "preview_not_ready"
    studio.finish("second")
    renew(studio, "third")
    assert studio.only(Refuse).code == "preview_stands", "it waits for a word"
    judge(studio)
    assert studio.running() == ["main"] and studio.job("main").preview == "second"
    renew(studio, "third")
    assert studio.only(Refuse).code == "nothing_to_approve"


def test_nobody_judges_a_preview_that_is_being_made_or_a_job_that_waits_for_none() -> None:
    studio = previewed()
    judge(studio)
    assert studio.only(Refuse).code == "preview_not_ready" and studio.job("main").hold is HoldReason.APPROVAL
    for job_id in ("cheap", "nobody"):
        judge(studio, job_id)
        assert studio.only(Refuse).code == "nothing_to_approve"


def test_pause_role_and_question_hold_the_job_beside_its_approval_and_after_it() -> None:
    studio = previewed()
    studio.pause("main")
    assert studio.job("main").hold is HoldReason.PAUSED
    studio.resume("main")
    assert studio.job("main").hold is HoldReason.APPROVAL
    studio.finish("cheap")
    studio.role("teacher", is_available=False)
    judge(studio)
    assert studio.job("main").hold is HoldReason.ROLE_UNAVAILABLE
    studio.role("teacher")
    assert studio.running() == ["main"]


def test_question_about_a_lower_setting_stays_open_while_the_preview_is_approved() -> None:
    studio = Studio(slot_memory_bytes=10)
    studio.submit("main", preview="cheap", context_bytes=20, alternatives=(("384*256", 5),))
    studio.submit("cheap", context_bytes=5, total_blocks=1)
    studio.finish("cheap")
    assert studio.job("main").hold is HoldReason.AWAITING_CONSENT
    judge(studio)
    assert studio.job("main").hold is HoldReason.AWAITING_CONSENT
    studio.feed(events.ConsentAnswered(at=studio.at, job_id="main", is_agreed=True))
    assert studio.running() == ["main"]


def test_consent_comes_first_and_the_approval_is_still_waited_for() -> None:
    studio = Studio(slot_memory_bytes=10)
    studio.submit("main", preview="cheap", context_bytes=20, alternatives=(("384*256", 5),))
    studio.submit("cheap", context_bytes=5)
    studio.feed(events.ConsentAnswered(at=studio.at, job_id="main", is_agreed=True))
    assert studio.job("main").hold is HoldReason.APPROVAL


@pytest.mark.parametrize("is_done", [False, True])
def test_restart_keeps_the_job_held_and_it_still_hears_how_its_preview_ends(is_done: bool) -> None:
    studio = previewed()
    if is_done:
        studio.finish("cheap")
    rows = [vars_of(job) for job in studio.state.jobs.values()]
    state = State.restore(studio.state.policy, 1, [Job.from_row(row) for row in rows])
    step(state, events.Booted(at=studio.at))
    check_invariants(state)
    again = Studio(state=state)
    assert again.job("main").hold is HoldReason.APPROVAL
    if not is_done:
        again.finish("cheap")
    judge(again)
    assert again.running() == ["main"]


def vars_of(job: Job) -> dict[str, object]:
    return {name: getattr(job, name) for name in job.__slots__}
