"""A running job that takes another setting keeps its slot: only who might have stopped it anyway comes first."""

from __future__ import annotations

from scheduler.core import events
from scheduler.core.actions import DropCaches, SendPreempt, SendRun
from scheduler.core.degrade import CACHES
from scheduler.core.job import JobState
from scheduler.core.ladder import DEVICE, Rung
from scheduler.core.learnt_memory import MemoryKey
from tests.unit.scheduler.core.studio import Studio
from tests.unit.scheduler.core.test_healing import LADDER, begin, house, no_memory, read, slow_block

LOW = (
    Rung(name=CACHES, kind=DEVICE),
    *(
        Rung(name=name, predicted_bytes=20 * steps, needs_consent=bool(name), memory=MemoryKey("m", "s", steps, "p", "d", "r"))
        for name, steps in (("", 5), ("steps=4", 4), ("steps=3", 3))
    ),
)


def begin_again(studio: Studio, job_id: str) -> None:
    """The job was taken up again."""
    studio.feed(events.JobWasStarted(at=studio.at, lease_id=studio.lease(job_id), resume="continuous", ladder=LOW))


def stutter(studio: Studio, job_id: str) -> None:
    """Its blocks are late, so it comes down: it has stopped at its block, and is taken up again."""
    slow_block(studio, job_id)
    slow_block(studio, job_id)
    assert studio.all(SendPreempt) and studio.job(job_id).rungs == "steps=3"
    studio.stop(job_id)


def test_part_of_a_session_keeps_its_slot_from_all_but_urgent_jobs() -> None:
    studio = house()
    begin(studio, "lecturer", 1, degrade="allow")
    studio.submit("assistant", follows="lecturer")
    studio.submit("other", priority=99)
    stutter(studio, "lecturer")
    assert studio.running() == ["lecturer"]


def test_reserved_job_keeps_its_slot_from_urgent_ones() -> None:
    studio = house()
    studio.submit("reserved", start_at=studio.at + 600, degrade="allow")
    studio.tick(600)
    studio.feed(events.JobWasStarted(at=studio.at, lease_id=studio.lease("reserved"), resume="fresh", ladder=LADDER))
    studio.make("reserved", 1)
    studio.submit("urgent", priority=200)
    stutter(studio, "reserved")
    assert studio.running() == ["reserved"]


def test_job_that_was_stopped_often_enough_is_not_stopped_by_its_own_setting() -> None:
    studio = house(max_preemptions=0)
    begin(studio, "j0", 1, degrade="allow")
    studio.submit("other", priority=60)
    stutter(studio, "j0")
    assert studio.running() == ["j0"]


def test_urgent_job_that_came_meanwhile_has_the_slot() -> None:
    studio = house()
    begin(studio, "j0", 1, degrade="allow")
    slow_block(studio, "j0")
    slow_block(studio, "j0")
    studio.submit("urgent", priority=100)
    studio.stop("j0")
    assert studio.running() == ["urgent"]


def test_paused_queue_keeps_no_running_job_from_its_other_setting() -> None:
    studio = house()
    begin(studio, "j0", 1, degrade="allow")
    studio.feed(events.QueuePaused(at=studio.at, reason="lunch"))
    studio.submit("urgent", priority=100)
    stutter(studio, "j0")
    assert studio.running() == ["j0"], "nothing new starts, and this is not new"


def test_slot_next_to_a_job_that_takes_fewer_steps_is_given_away() -> None:
    studio = house(slots=2, degrade_within_s=100.0)
    studio.role("student", never_with=("teacher",))
    begin(studio, "j0", 3, role="student", priority=0, degrade="allow", total_blocks=20)
    studio.feed(events.QueuePaused(at=studio.at, reason="lunch"))
    studio.submit("excluded", priority=60)
    studio.submit("other", role="companion")
    studio.feed(events.QueueResumed(at=studio.at))
    assert studio.job("j0").state is JobState.PREEMPTING and studio.job("j0").rungs == "steps=3"
    assert studio.running() == ["j0", "other"]


def short_of_memory(degrade: str) -> Studio:
    """A job whose worker had no memory goes on without caches; before it makes a block, its device's memory stays high."""
    studio = house()
    begin(studio, "j0", 1, degrade=degrade, ladder=LOW, total_blocks=50)
    no_memory(studio, "j0", LOW)
    begin_again(studio, "j0")
    read(studio, 16, memory_ratio=0.99)
    return studio


def test_job_that_runs_out_of_memory_on_its_way_down_goes_down_that_rung_and_no_other() -> None:
    studio = short_of_memory("allow")
    assert studio.job("j0").state is JobState.PREEMPTING and studio.job("j0").rungs == "steps=4"
    no_memory(studio, "j0", LOW)
    assert studio.only(SendRun).job_id == "j0"
    assert studio.job("j0").rungs == "steps=4", "it never ran at that"
    assert not studio.state.memory.records, "nothing is known of a setting that never ran"
    begin_again(studio, "j0")
    studio.make("j0", 1)
    assert ("heal:recovered", "out_of_memory") in studio.heals()


def test_agreed_setting_is_not_asked_for_once_more_where_memory_ends_before_it_holds() -> None:
    studio = short_of_memory("ask")
    assert studio.job("j0").offer == "steps=4"
    studio.feed(events.ConsentAnswered(at=studio.at, job_id="j0", is_agreed=True))
    no_memory(studio, "j0", LOW)
    assert (studio.running(), studio.job("j0").rungs, studio.job("j0").offer) == (["j0"], "steps=4", "")


def test_climb_that_had_not_begun_is_taken_back_where_memory_ends() -> None:
    studio = house(faults={"stutter": {"return_after_s": 30}})
    begin(studio, "j0", 1, degrade="allow", total_blocks=50, ladder=LOW)
    slow_block(studio, "j0")
    slow_block(studio, "j0")
    studio.stop("j0")
    begin_again(studio, "j0")
    slow_block(studio, "j0", seconds=0.5)
    studio.tick(30.0)
    assert studio.tags() == ["job:restored"] and studio.job("j0").rungs == ""
    no_memory(studio, "j0", LOW)
    assert studio.job("j0").rungs == "steps=4" and studio.all(DropCaches), "it was made at steps=4, and caches come first"
    begin_again(studio, "j0")
    no_memory(studio, "j0", LOW)
    assert studio.job("j0").rungs == "steps=3"
    assert [key.steps for key in studio.state.memory.records] == [4]


def test_nothing_is_learnt_of_memory_where_the_hours_limit_kept_caches_from_being_dropped() -> None:
    studio = house(faults={"out_of_memory": {"max_per_hour": 1}})
    begin(studio, "j0", 1, degrade="allow", ladder=LOW)
    no_memory(studio, "j0", LOW)
    begin_again(studio, "j0")
    studio.make("j0", 1)
    no_memory(studio, "j0", LOW)
    assert studio.tags() == ["job:retried"] and not studio.all(DropCaches)
    assert not studio.state.memory.records
