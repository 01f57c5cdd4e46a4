"""Free slots go to the best jobs that may run; running jobs give way where the rules say so."""

from __future__ import annotations

from scheduler.core import events
from scheduler.core.actions import MoveJob, SendPreempt, SendRun
from scheduler.core.job import HoldReason, JobState
from scheduler.core.policy import Policy
from scheduler.core.state import State
from tests.unit.scheduler.core.studio import Studio


def test_freed_slot_goes_to_the_best_queued_job() -> None:
    studio = Studio()
    studio.submit("j0")
    studio.submit("j1", priority=11)
    studio.submit("j2", priority=19)
    studio.finish("j0")
    assert studio.tags() == ["job:succeeded", "job:leased"]
    assert studio.running() == ["j2"]
    assert studio.all(MoveJob)[1].body["effective_priority"] == 19.0


def test_urgent_job_stops_a_lower_one_at_its_next_block() -> None:
    studio = Studio()
    studio.submit("j0", priority=5)
    studio.start("j0")
    studio.submit("j1", priority=100)
    assert studio.tags() == ["job:queued", "job:preempting"]
    terms = studio.all(MoveJob)[1].body
    assert (terms["rule"], terms["preemptor"], terms["gain"]) == ("urgent", "j1", 95.0)
    assert studio.only(SendPreempt).lease_id == "j0-1"
    studio.make("j0", 1)
    studio.stop("j0")
    assert studio.tags() == ["job:preempted", "job:leased"]
    assert studio.running() == ["j1"]
    assert studio.job("j0").hold is HoldReason.PREEMPTED and studio.job("j0").preemptions == 1


def test_preempted_job_resumes_from_its_last_block() -> None:
    studio = Studio()
    studio.submit("j0", priority=5)
    studio.start("j0", blocks=3)
    studio.submit("j1", priority=100)
    studio.stop("j0")
    studio.finish("j1")
    run = studio.only(SendRun)
    assert (run.job_id, run.from_block, run.lease_id) == ("j0", 3, "j0-2")


def test_lease_says_how_long_its_job_waited_for_this_slot() -> None:
    studio = Studio()

    def waited() -> float:
        (leased,) = (action for action in studio.all(MoveJob) if action.tag == "job:leased")
        return float(leased.body["waited_s"])

    studio.submit("other")
    studio.submit("j0", priority=5)
    studio.at += 30.0
    studio.finish("other")
    assert waited() == 30.0
    studio.start("j0", blocks=1)
    studio.at += 20.0
    studio.submit("j1", priority=100)
    studio.stop("j0")
    assert waited() == 0.0
    studio.at += 4.0
    studio.finish("j1")
    assert waited() == 4.0, "since it gave way, not since it was submitted"
    studio.start("j0")
    studio.at += 3.0
    again = State.restore(Policy(), 1, [studio.job("j0")])
    later = Studio(are_ready=False, state=again)
    later.at = studio.at + 2.0
    later.feed(events.Booted(at=later.at))
    later.at += 7.0
    later.ready(0)
    assert later.only(MoveJob).body["waited_s"] == 7.0, "since the restart, which took its worker"


def test_urgent_job_stops_even_a_job_that_has_not_begun() -> None:
    studio = Studio()
    studio.submit("j0")
    studio.submit("j1", priority=100)
    assert studio.job("j0").state is JobState.PREEMPTING
    studio.stop("j0")
    assert studio.running() == ["j1"]


def test_one_waiting_job_stops_only_one_running_job() -> None:
    studio = Studio(slots=3)
    for name in ("j0", "j1", "j2"):
        studio.submit(name, priority=5)
        studio.start(name, blocks=2)
    studio.submit("j3", priority=100)
    assert len(studio.all(SendPreempt)) == 1
    studio.make("j0", 1)
    studio.tick(1)
    assert not studio.all(SendPreempt)
    studio.submit("j4", priority=100)
    assert len(studio.all(SendPreempt)) == 1


def test_margin_minimum_run_and_cap_protect_a_running_job() -> None:
    studio = Studio(preempt_margin=10.0, min_run_blocks=2, max_preemptions=1, ageing_per_s=0.0)
    studio.submit("j0", priority=10)
    studio.start("j0", blocks=1)
    studio.submit("j1", priority=19)
    assert not studio.all(SendPreempt)  # below the margin
    studio.submit("j2", priority=20)
    assert not studio.all(SendPreempt)  # has not run long enough
    studio.make("j0", 1)
    assert studio.only(SendPreempt).lease_id == "j0-1"
    studio.stop("j0")
    studio.finish("j2")
    studio.finish("j1")
    studio.start("j0", blocks=2)
    studio.submit("j3", priority=99)
    assert not studio.all(SendPreempt)  # was preempted often enough
    studio.submit("j4", priority=100)
    assert studio.all(SendPreempt)  # but not for an urgent one


def test_minimum_run_lets_the_margin_apply_at_the_right_block() -> None:
    studio = Studio(min_run_blocks=3)
    studio.submit("j0")
    studio.start("j0", blocks=2)
    studio.submit("j1", priority=50)
    assert studio.job("j0").state is JobState.RUNNING
    studio.make("j0", 1)
    assert studio.job("j0").state is JobState.PREEMPTING


def test_victim_is_the_one_that_loses_least() -> None:
    studio = Studio(slots=3)
    studio.submit("j0", priority=20)
    studio.submit("j1", priority=5, total_blocks=4)
    studio.submit("j2", priority=5, total_blocks=40)
    for name in ("j0", "j1", "j2"):
        studio.start(name, blocks=3)
    studio.submit("j3", priority=100)
    assert studio.job("j2").state is JobState.PREEMPTING  # lowest priority, most blocks left
    assert studio.all(MoveJob)[1].body["considered"] == 3


def _two_that_play(priority: int) -> Studio:
    """One of priority 10, and one of the one that is given; blocks of both take 0.4 s, and the first one's began earlier."""
    studio = Studio(slots=2, ageing_per_s=0.0)
    studio.submit("j0", total_blocks=20)
    studio.submit("j1", total_blocks=20, priority=priority)
    studio.start("j0")
    studio.at += 0.1
    studio.start("j1")
    for job_id, wait_s in (("j0", 0.3), ("j1", 0.1), ("j0", 0.3), ("j1", 0.1), ("j0", 0.3), ("j1", 0.1)):
        studio.at += wait_s
        studio.make(job_id, 1)
    return studio


def test_of_victims_that_lose_nearly_alike_an_urgent_job_stops_the_one_whose_block_ends_soonest() -> None:
    studio = _two_that_play(priority=15)
    studio.at += 0.1
    studio.submit("u0", priority=100)
    assert [effect.slot for effect in studio.all(SendPreempt)] == [0]
    studio = _two_that_play(priority=15)
    studio.at += 0.31
    studio.make("j0", 1)  # its next block has just begun, that of j1 ends in a moment
    studio.submit("u0", priority=100)
    assert [effect.slot for effect in studio.all(SendPreempt)] == [1]
    (move,) = studio.all(MoveJob)[-1:]
    assert move.body["boundary_in_s"] < 0.15


def test_nobody_who_leads_by_the_margin_gives_way_for_the_sake_of_a_shorter_wait() -> None:
    studio = _two_that_play(priority=21)
    studio.at += 0.31
    studio.make("j0", 1)
    studio.submit("u0", priority=100)
    assert [effect.slot for effect in studio.all(SendPreempt)] == [0]


def test_no_urgent_job_is_stopped_for_a_shorter_wait_while_one_that_is_not_urgent_plays() -> None:
    studio = Studio(slots=2, ageing_per_s=0.0, urgent_priority=50, ageing_ceiling=49)
    studio.submit("j0", total_blocks=20, priority=45)
    studio.submit("u0", total_blocks=20, priority=50)
    studio.start("u0", blocks=3)
    studio.at += 0.3
    studio.start("j0", blocks=3)  # its next block has just begun, that of the urgent one ends in a moment
    studio.submit("u1", priority=100)
    assert [effect.slot for effect in studio.all(SendPreempt)] == [0]


def test_a_worker_that_has_been_silent_for_long_is_not_taken_to_be_nearly_done() -> None:
    studio = _two_that_play(priority=15)
    studio.at += 20.0  # j1 is late by far: its block may end now or never
    studio.make("j0", 1)
    studio.submit("u0", priority=100)
    assert [effect.slot for effect in studio.all(SendPreempt)] == [0]


def test_a_job_whose_preparing_takes_for_ever_is_not_taken_to_be_nearly_done() -> None:
    studio = Studio(slots=2, ageing_per_s=0.0)
    studio.submit("j0", total_blocks=20, block_ms=4000)
    studio.submit("j1", total_blocks=20, block_ms=4000)
    studio.start("j0")
    studio.at += 30.0
    studio.make("j0", 1)  # its next block will take ten times as long as j1 was expected to be prepared
    studio.submit("u0", priority=100)
    assert [effect.slot for effect in studio.all(SendPreempt)] == [0]


def test_a_job_that_is_being_prepared_is_stopped_only_where_no_block_ends_sooner() -> None:
    studio = Studio(slots=2, ageing_per_s=0.0)
    studio.submit("j0", total_blocks=20)
    studio.submit("j1", total_blocks=20)
    studio.start("j0", blocks=1)
    studio.submit("u0", priority=100)
    assert [effect.slot for effect in studio.all(SendPreempt)] == [0]


def test_waiting_job_counts_on_a_slot_that_becomes_free_anyway() -> None:
    studio = Studio(slots=2)
    for name in ("j0", "j1"):
        studio.submit(name)
        studio.start(name, blocks=3)
    studio.cancel("j0")
    studio.submit("j2", priority=100)
    assert not studio.all(SendPreempt)


def test_priority_change_decides_anew() -> None:
    studio = Studio()
    studio.submit("j0")
    studio.start("j0", blocks=3)
    studio.submit("j1")
    studio.feed(events.PriorityChanged(at=studio.at, job_id="j1", priority=60))
    assert studio.tags() == ["job:reprioritised", "job:preempting"]
    studio.stop("j0")
    studio.submit("j2", priority=15)
    studio.start("j1", blocks=2)
    studio.feed(events.PriorityChanged(at=studio.at, job_id="j1", priority=1))
    assert studio.tags() == ["job:reprioritised", "job:preempting"]


def test_paused_queue_starts_nothing_and_stops_nothing() -> None:
    studio = Studio(slots=2)
    studio.submit("j0")
    studio.start("j0", blocks=3)
    studio.feed(events.QueuePaused(at=studio.at))
    studio.submit("j1", priority=100)
    assert studio.running() == ["j0", "-"]
    studio.feed(events.QueuePaused(at=studio.at))
    assert not studio.actions
    studio.feed(events.QueueResumed(at=studio.at))
    assert studio.running() == ["j0", "j1"]


def test_drained_slot_finishes_its_job_and_takes_no_other() -> None:
    studio = Studio()
    studio.submit("j0")
    studio.feed(events.SlotDrained(at=studio.at, slot=0, is_drained=True))
    studio.submit("j1", priority=100)
    assert studio.job("j0").state is JobState.LEASED
    studio.finish("j0")
    assert studio.running() == ["-"]
    studio.feed(events.SlotDrained(at=studio.at, slot=0, is_drained=False))
    assert studio.tags() == ["slot:returned", "job:leased"]
    studio.feed(events.SlotDrained(at=studio.at, slot=7, is_drained=True))
    assert studio.refusal().code == "unknown_slot"


def test_excluded_role_waits_and_lets_others_pass() -> None:
    studio = Studio(slots=2)
    studio.role("teacher", never_with=("presenter",))
    studio.submit("j0", role="teacher")
    studio.submit("j1", role="presenter")
    studio.submit("j2", role="student")
    assert studio.running() == ["j0", "j2"]
    studio.finish("j2")
    assert studio.running() == ["j0", "-"]
    studio.finish("j0")
    assert studio.running() == ["j1", "-"]


def test_excluded_urgent_job_takes_the_place_of_the_very_job_that_excludes_it() -> None:
    studio = Studio(slots=2)
    studio.role("presenter", never_with=("teacher",))
    studio.submit("j0", role="teacher")
    studio.start("j0", blocks=1)
    studio.submit("j1", role="presenter", priority=100)
    assert studio.job("j0").state is JobState.PREEMPTING
    studio.submit("j2", role="teacher")  # would spoil it on the idle slot
    assert studio.running() == ["j0", "-"]
    studio.stop("j0")
    assert studio.running() == ["j1", "-"]


def test_patience_ends_and_the_excluding_role_may_not_pass_any_more() -> None:
    studio = Studio(slots=2, exclusion_patience_s=100.0, lease_s=1e6, ageing_per_s=0.0)
    studio.role("teacher", never_with=("presenter",))
    studio.submit("j0", role="teacher")
    studio.submit("j1", role="presenter")
    studio.submit("j2", role="teacher")
    assert studio.running() == ["j0", "j2"]
    studio.submit("j3", role="teacher")
    studio.at += 101
    studio.finish("j0")
    assert studio.running() == ["-", "j2"]
    studio.finish("j2")
    assert studio.running() == ["j1", "-"]
    studio.finish("j1")
    assert "j3" in studio.running()


def test_roles_that_play_already_play_on_when_they_come_to_exclude_each_other() -> None:
    studio = Studio(slots=2)
    studio.submit("j0", role="teacher")
    studio.submit("j1", role="presenter")
    studio.role("teacher", never_with=("presenter",))
    assert studio.running() == ["j0", "j1"]
    studio.submit("j2", role="presenter")
    studio.finish("j1")
    assert studio.running() == ["j0", "-"]
