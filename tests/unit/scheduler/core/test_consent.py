"""Answers to a question mean the heal that asked, count once, and end with what they were asked for."""

from __future__ import annotations

from scheduler.core import events
from scheduler.core.actions import MoveJob, SendPreempt, SendRun
from scheduler.core.healing_policy import Fault
from scheduler.core.heals import Heals
from scheduler.core.job import HoldReason, JobState
from scheduler.core.tags import Tag
from tests.unit.scheduler.core.studio import Studio
from tests.unit.scheduler.core.test_healing import LADDER, begin, bodies, house, no_memory, read, slow_block


def agree(studio: Studio, job_id: str = "j0", is_agreed: bool = True) -> None:
    """The requester answers."""
    studio.feed(events.ConsentAnswered(at=studio.at, job_id=job_id, is_agreed=is_agreed))


def go_on(studio: Studio, job_id: str = "j0") -> None:
    """The job was taken up again."""
    studio.feed(events.JobWasStarted(at=studio.at, lease_id=studio.lease(job_id), resume="continuous", ladder=LADDER))


def stutter(studio: Studio, job_id: str = "j0") -> None:
    """Its blocks are late: its requester is asked."""
    slow_block(studio, job_id)
    slow_block(studio, job_id)
    assert studio.job(job_id).offer == "steps=3"


def test_agreed_setting_of_a_waiting_job_counts_its_bytes_and_is_climbed_from_again() -> None:
    studio = house(faults={"memory_high": {"return_after_s": 10}})
    begin(studio, "j0", 1, degrade="ask", context_bytes=100, total_blocks=50)
    no_memory(studio, "j0")
    no_memory(studio, "j0")
    agree(studio)
    job = studio.job("j0")
    assert (job.rungs, job.context_bytes) == ("steps=3", 80)
    (acted,) = bodies(studio, Tag.HEAL_ACTED)
    assert (acted["fault"], acted["from"], acted["rung"]) == ("out_of_memory", "as_asked", "steps=3")
    go_on(studio)
    studio.make("j0", 1)
    read(studio, 12, memory_ratio=0.5)
    studio.tick(0.0)
    assert studio.tags() == ["job:restored"], "it comes back up like one that was not asked"


def test_answer_is_for_the_heal_that_asked() -> None:
    studio = house(faults={"memory_high": {"action": "alert"}})
    begin(studio, "j0", 1, degrade="ask", total_blocks=50)
    read(studio, 7, memory_ratio=0.99, device="vault:0")
    assert studio.state.heals.of(Fault.MEMORY_HIGH), "another fault is open, and was open before"
    stutter(studio)
    agree(studio)
    assert studio.only(MoveJob).body["cause"] == "stutter"
    assert bodies(studio, Tag.HEAL_ACTED)[0]["fault"] == "stutter"
    assert studio.state.degraded["j0"].fault is Fault.STUTTER


def test_question_ends_with_its_cause_and_later_ones_are_asked_again() -> None:
    studio = house(consent_timeout_s=60.0)
    begin(studio, "j0", 1, degrade="ask", total_blocks=50)
    stutter(studio)
    slow_block(studio, "j0", seconds=0.5)
    studio.tick(1.0)
    assert studio.only(MoveJob).body == {"rung": "steps=3", "outcome": "not_needed"}
    assert (studio.job("j0").offer, studio.job("j0").degrade) == ("", "ask"), "nobody said no"
    stutter(studio)


def test_yes_that_comes_while_the_job_waits_counts_when_it_goes_on() -> None:
    studio = house()
    begin(studio, "j0", 1, degrade="ask", total_blocks=50)
    stutter(studio)
    studio.submit("urgent", priority=100)
    studio.stop("j0")
    agree(studio)
    assert studio.job("j0").state is JobState.QUEUED and studio.job("j0").rungs == "steps=3"
    assert studio.only(MoveJob).tag == Tag.JOB_DEGRADED
    studio.finish("urgent")
    assert studio.only(SendRun).job_id == "j0"
    go_on(studio)
    slow_block(studio, "j0", seconds=0.5)
    assert ("heal:recovered", "stutter") in studio.heals()


def test_yes_while_the_worker_was_sent_the_old_setting_changes_nothing_that_is_then_made() -> None:
    studio = house()
    begin(studio, "j0", 1, degrade="ask", total_blocks=50)
    stutter(studio)
    studio.lose()
    studio.ready(0, "w9")
    assert studio.job("j0").state is JobState.LEASED
    agree(studio)
    assert studio.job("j0").rungs == "" and not studio.all(SendPreempt)


def test_question_outlives_a_restart_with_what_it_was_about() -> None:
    studio = house()
    begin(studio, "j0", 1, degrade="ask", context_bytes=100)
    no_memory(studio, "j0")
    no_memory(studio, "j0")
    assert studio.job("j0").hold is HoldReason.AWAITING_CONSENT
    kept = Heals.from_mapping(studio.state.heals.to_mapping())
    state = studio.state.restore(studio.state.policy, 1, [studio.job("j0")], heals=kept)
    later = Studio(state=state, are_ready=False)
    later.at = studio.at
    later.feed(events.Booted(at=later.at))
    later.ready(0, "w9")
    agree(later)
    assert later.only(SendRun).job_id == "j0"
    assert (later.job("j0").rungs, later.job("j0").context_bytes) == ("steps=3", 80)


def test_yes_for_a_job_that_is_being_cancelled_changes_nothing() -> None:
    studio = house()
    begin(studio, "j0", 1, degrade="ask", total_blocks=50)
    stutter(studio)
    studio.cancel("j0")
    agree(studio)
    assert studio.only(MoveJob).body == {"rung": "steps=3", "outcome": "not_needed"}
    assert studio.job("j0").rungs == ""
