"""Heals from detection to recovery: what is seen, what is done, and that it is said with its milliseconds."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler.core import events
from scheduler.core.actions import DropCaches, DropIdleContexts, KillWorker, MoveJob, Record, SendPreempt, SendRun
from scheduler.core.degrade import CACHES, IDLE_CONTEXTS
from scheduler.core.fleet import WorkerState
from scheduler.core.healing_policy import Fault, HealingPolicy
from scheduler.core.heals import Heals
from scheduler.core.job import HoldReason, JobState
from scheduler.core.ladder import DEVICE, Rung
from scheduler.core.machine import State
from scheduler.core.policy import Policy
from scheduler.core.tags import Tag
from tests.unit.scheduler.core.studio import Studio

LADDER = (
    Rung(name=IDLE_CONTEXTS, kind=DEVICE),
    Rung(name=CACHES, kind=DEVICE),
    Rung(name="fp8_rings", kind=DEVICE, why_not="not built"),
    Rung(name="", predicted_bytes=100),
    Rung(name="steps=3", predicted_bytes=80, needs_consent=True),
    Rung(name="steps=3 size=384*256", predicted_bytes=40, needs_consent=True, why_not="has begun"),
)


def house(slots: int = 1, faults: dict[str, Any] | None = None, **policy: Any) -> Studio:
    """A studio with a healing policy, its workers ready."""
    studio = Studio(slots, are_ready=False, state=State(Policy(**policy), slots, HealingPolicy.from_mapping(faults or {})))
    for slot in range(slots):
        studio.ready(slot)
    return studio


def begin(studio: Studio, job_id: str, blocks: int = 0, ladder: tuple[Rung, ...] = LADDER, **values: Any) -> None:
    """Submit a job and let it begin with a ladder."""
    studio.submit(job_id, **values)
    studio.feed(events.JobWasStarted(at=studio.at, lease_id=studio.lease(job_id), resume="fresh", ladder=ladder))
    studio.make(job_id, blocks)


def no_memory(studio: Studio, job_id: str, ladder: tuple[Rung, ...] = LADDER) -> None:
    """The job's worker has no memory left."""
    lease_id = studio.lease(job_id)
    studio.feed(events.JobHasFailed(at=studio.at, lease_id=lease_id, code="out_of_memory", can_retry=True, ladder=ladder))


def read(studio: Studio, seconds: float, **values: Any) -> list[tuple[str, str]]:
    """A device is read once per second for so long; returns all that was said of heals."""
    said = []
    for _ in range(round(seconds)):
        studio.at += 1.0
        said_of = {"device": "gpu0", "slots": (0,), **values}
        studio.feed(events.DeviceWasRead(at=studio.at, **said_of))
        said += studio.heals()
    return said


def bodies(studio: Studio, tag: Tag) -> list[dict[str, Any]]:
    """Bodies of the last event's rows with this tag."""
    return [record.body for record in studio.all(Record) if record.tag == tag]


def slow_block(studio: Studio, job_id: str, seconds: float = 2.0, planned_s: float = 0.5) -> None:
    """The next block takes so long."""
    block = studio.job(job_id).blocks_done
    studio.feed(
        events.BlockWasDone(at=studio.at, lease_id=studio.lease(job_id), block=block, seconds=seconds, planned_s=planned_s)
    )


def test_lost_worker_is_one_heal_from_its_silence_to_the_job_going_on() -> None:
    studio = house()
    begin(studio, "j0", 2)
    studio.feed(
        events.WorkerWasLost(at=studio.at, slot=0, worker_id="w0", cause="hung_step", silent_s=6.2, deadline_s=6.0)
    )
    (body,) = bodies(studio, Tag.FAULT_DETECTED)
    assert (body["fault"], body["detect_ms"], body["deadline_s"]) == ("hung_step", 6200, 6.0)
    studio.at += 0.25
    studio.ready(0, "w1")
    assert studio.heals() == [("heal:acted", "hung_step")]
    studio.at += 0.5
    studio.start("j0")
    (body,) = bodies(studio, Tag.HEAL_RECOVERED)
    assert (body["recovery_ms"], body["total_ms"], body["goes_on"]) == (750, 6950, True)
    assert not studio.state.heals.open


def test_worker_lost_without_a_job_is_healed_when_the_next_one_is_ready() -> None:
    studio = house()
    studio.lose(cause="heartbeat_lost")
    studio.ready(0, "w1")
    assert studio.heals() == [("heal:acted", "heartbeat_lost"), ("heal:recovered", "heartbeat_lost")]


def test_worker_that_was_told_to_stop_is_no_fault() -> None:
    studio = house()
    studio.lose(cause="stopped")
    assert studio.heals() == []


def test_out_of_memory_goes_down_rung_by_rung_and_keeps_every_block() -> None:
    studio = house()
    begin(studio, "j0", 3, degrade="allow")
    no_memory(studio, "j0")
    assert studio.all(DropCaches), "nothing idles, so caches come first"
    assert studio.only(SendRun).from_block == 3, "it goes on at once, on its slot"
    no_memory(studio, "j0")
    assert studio.job("j0").rungs == "steps=3"
    assert studio.only(SendRun).from_block == 3
    studio.start("j0", 1)
    assert studio.heals() == [("heal:recovered", "out_of_memory")]
    assert (studio.job("j0").blocks_done, studio.job("j0").retries) == (4, 0)


def test_contexts_of_waiting_jobs_go_before_anything_that_shows() -> None:
    studio = house(min_run_blocks=0)
    begin(studio, "j0", 2, degrade="allow", priority=1)
    studio.submit("urgent", priority=100)
    studio.stop("j0")
    no_memory(studio, "urgent")
    assert studio.only(DropIdleContexts).job_ids == ("j0",)
    assert studio.running() == ["urgent"]
    assert studio.all(Record)[1].subject == "job:j0"


def test_who_wants_to_be_asked_is_asked_and_goes_on_after_a_yes() -> None:
    studio = house()
    begin(studio, "j0", 3, degrade="ask")
    no_memory(studio, "j0")
    no_memory(studio, "j0")
    job = studio.job("j0")
    assert (job.hold, job.offer, job.blocks_done) == (HoldReason.AWAITING_CONSENT, "steps=3", 3)
    studio.feed(events.ConsentAnswered(at=studio.at, job_id="j0", is_agreed=True))
    assert (job.rungs, job.offer) == ("steps=3", "")
    assert studio.only(SendRun).from_block == 3


def test_question_that_nobody_answers_ends() -> None:
    studio = house(consent_timeout_s=60.0)
    begin(studio, "j0", 3, degrade="ask")
    no_memory(studio, "j0")
    studio.at += 1_000.0
    no_memory(studio, "j0")
    studio.tick(59.0)
    assert studio.job("j0").hold is HoldReason.AWAITING_CONSENT, "the time counts from the question"
    studio.tick(2.0)
    assert studio.only(MoveJob).target is JobState.CANCELLED
    assert ("heal:abandoned", "out_of_memory") in studio.heals()


def test_who_says_never_is_tried_again_and_then_fails() -> None:
    studio = house(max_retries=1)
    begin(studio, "j0", 1, degrade="never")
    no_memory(studio, "j0")
    no_memory(studio, "j0")
    assert studio.tags() == ["job:retried"]
    assert ("heal:abandoned", "out_of_memory") in studio.heals()
    (body,) = bodies(studio, Tag.HEAL_ABANDONED)
    assert body["passed"]["steps=3"] == "the submission says never"


def test_stutter_means_fewer_steps_from_the_next_block_on_the_same_slot() -> None:
    studio = house()
    begin(studio, "j0", 1, degrade="allow")
    studio.submit("other", priority=10)
    slow_block(studio, "j0")
    assert studio.heals() == []
    slow_block(studio, "j0")
    assert studio.heals() == [("fault:detected", "stutter"), ("heal:acted", "stutter")]
    assert studio.all(SendPreempt) and studio.job("j0").rungs == "steps=3"
    studio.stop("j0")
    assert studio.running() == ["j0"], "a change of setting is no reason to lose the slot"
    studio.start("j0")
    slow_block(studio, "j0", seconds=0.5)
    assert studio.heals() == [("heal:recovered", "stutter")]


def test_running_job_is_asked_while_it_goes_on_and_a_no_is_final() -> None:
    studio = house()
    begin(studio, "j0", 1, degrade="ask")
    for _ in range(2):
        slow_block(studio, "j0")
    job = studio.job("j0")
    assert (job.state, job.offer) == (JobState.RUNNING, "steps=3")
    studio.feed(events.ConsentAnswered(at=studio.at, job_id="j0", is_agreed=False))
    for _ in range(2):
        slow_block(studio, "j0")
    assert (job.state, job.offer, job.rungs) == (JobState.RUNNING, "", "")


def test_agreed_stutter_changes_at_the_next_block() -> None:
    studio = house()
    begin(studio, "j0", 1, degrade="ask")
    for _ in range(2):
        slow_block(studio, "j0")
    studio.feed(events.ConsentAnswered(at=studio.at, job_id="j0", is_agreed=True))
    assert studio.all(SendPreempt)
    assert studio.job("j0").rungs == "steps=3"


def test_high_memory_needs_its_time_and_takes_one_rung_at_a_time() -> None:
    studio = house()
    begin(studio, "j0", 1, degrade="allow", total_blocks=50)
    assert read(studio, 5, memory_ratio=0.97) == []
    assert read(studio, 1, memory_ratio=0.97) == [("fault:detected", "memory_high"), ("heal:acted", "memory_high")]
    assert studio.all(DropCaches)
    assert read(studio, 9, memory_ratio=0.97) == [], "the rung has time to show its effect"
    assert read(studio, 1, memory_ratio=0.97) == [("heal:acted", "memory_high")]
    assert studio.job("j0").rungs == "steps=3"
    assert read(studio, 6, memory_ratio=0.5)[-1] == ("heal:recovered", "memory_high")


def test_job_climbs_back_after_a_while_and_later_the_next_time() -> None:
    studio = house(faults={"memory_high": {"return_after_s": 10}})
    begin(studio, "j0", 1, degrade="allow", total_blocks=500)
    waits = []
    for _ in range(2):
        while studio.job("j0").rungs == "":
            read(studio, 1, memory_ratio=0.99)
        studio.stop("j0")
        studio.feed(events.JobWasStarted(at=studio.at, lease_id=studio.lease("j0"), resume="continuous", ladder=LADDER))
        began = studio.at
        while studio.job("j0").rungs:
            read(studio, 1, memory_ratio=0.5)
            studio.tick(0.0)
        waits.append(studio.at - began)
        studio.stop("j0")
        studio.feed(events.JobWasStarted(at=studio.at, lease_id=studio.lease("j0"), resume="continuous", ladder=LADDER))
    assert waits[0] >= 10 and waits[1] >= 20


def test_all_steps_come_back_when_nothing_stuttered_for_a_while() -> None:
    studio = house(faults={"stutter": {"return_after_s": 30}})
    begin(studio, "j0", 1, degrade="allow", total_blocks=50)
    for _ in range(2):
        slow_block(studio, "j0")
    studio.stop("j0")
    studio.feed(events.JobWasStarted(at=studio.at, lease_id=studio.lease("j0"), resume="continuous", ladder=LADDER))
    slow_block(studio, "j0", seconds=0.5)
    studio.tick(29.0)
    assert studio.job("j0").rungs == "steps=3"
    studio.tick(1.0)
    assert studio.tags() == ["job:restored"] and studio.all(SendPreempt)
    assert studio.job("j0").rungs == ""


def test_alert_only_does_nothing_but_say_it() -> None:
    studio = house(faults={"memory_high": {"action": "alert"}})
    begin(studio, "j0", 1, degrade="allow")
    read(studio, 20, memory_ratio=0.99)
    assert studio.job("j0").rungs == ""
    assert studio.state.heals.of(Fault.MEMORY_HIGH)[0].action == "alert"


def test_limit_per_hour_leaves_the_rest_to_people() -> None:
    studio = house(faults={"out_of_memory": {"max_per_hour": 1}})
    begin(studio, "j0", 1, degrade="allow")
    no_memory(studio, "j0")
    studio.start("j0", 1)
    no_memory(studio, "j0")
    (body,) = bodies(studio, Tag.HEAL_ABANDONED)
    assert body["cause"] == "limit"
    assert studio.tags() == ["job:retried"]


def test_disk_that_is_low_has_a_gap_before_it_is_well_again() -> None:
    studio = house(faults={"disk_low": {"action": "hold", "below_bytes": 100, "return_above_bytes": 200}})
    studio.feed(events.DiskWasRead(at=studio.at, free_bytes=99))
    assert studio.heals() == [("fault:detected", "disk_low"), ("heal:acted", "disk_low")]
    studio.submit("j0")
    assert studio.running() == ["-"]
    studio.feed(events.DiskWasRead(at=studio.at, free_bytes=150))
    assert studio.heals() == []
    studio.feed(events.DiskWasRead(at=studio.at, free_bytes=200))
    assert studio.heals() == [("heal:recovered", "disk_low")]
    assert studio.running() == ["j0"]


def test_hot_gpu_rests_and_a_person_who_drained_it_is_not_overruled() -> None:
    studio = house(faults={"thermal": {"action": "rest", "for_s": 2, "return_after_s": 2}})
    studio.feed(events.SlotDrained(at=studio.at, slot=0, is_drained=True))
    read(studio, 3, is_throttled=True)
    assert studio.state.slots[0].drained_for == {"person", "thermal"}
    read(studio, 3, is_throttled=False)
    assert studio.state.slots[0].drained_for == {"person"}


def test_gpu_that_is_lost_takes_no_work_and_its_job_moves_without_blame() -> None:
    studio = house(2)
    begin(studio, "j0", 1)
    said = read(studio, 1, is_lost=True)
    assert said == [("fault:detected", "gpu_lost"), ("heal:acted", "gpu_lost")]
    assert studio.only(KillWorker).cause == "gpu_lost"
    studio.lose(0, "gpu_lost")
    assert studio.running() == ["-", "j0"]
    assert (studio.job("j0").crashes, studio.state.slots[0].is_drained) == (0, True)
    assert read(studio, 32)[-1] == ("heal:recovered", "gpu_lost")


@pytest.mark.parametrize(("codes", "fault"), [((31,), "gpu_error"), ((79,), "gpu_lost")])
def test_error_code_of_the_driver_decides_between_restart_and_retirement(codes: tuple[int, ...], fault: str) -> None:
    studio = house()
    begin(studio, "j0", 1)
    assert read(studio, 1, xids=codes)[0] == ("fault:detected", fault)
    assert studio.only(KillWorker).cause == fault


def test_second_restart_code_within_its_time_retires_the_gpu() -> None:
    studio = house()
    read(studio, 1, xids=(13,))
    studio.lose(0, "gpu_error")
    studio.ready(0, "w1")
    assert studio.heals()[-1] == ("heal:recovered", "gpu_error")
    assert ("fault:detected", "gpu_lost") in read(studio, 1, xids=(13,))


def test_crash_loop_says_why_and_ends_with_a_worker_that_is_ready() -> None:
    studio = house()
    studio.lose(cause="exited")
    for failures in (1, 2, 3):
        said = "ImportError: no module named torch"
        studio.feed(
            events.WorkerStartFailed(at=studio.at, slot=0, failures=failures, wait_s=1.0, cause="exited", reason=said)
        )
    assert studio.heals() == [("fault:detected", "crash_loop"), ("heal:acted", "crash_loop")]
    assert bodies(studio, Tag.HEAL_ACTED)[0]["reason"] == said
    studio.ready(0, "w1")
    assert ("heal:recovered", "crash_loop") in studio.heals()


def test_open_heals_outlive_a_restart() -> None:
    studio = house()
    studio.lose(cause="killed")
    kept = Heals.from_mapping(studio.state.heals.to_mapping())
    state = State.restore(Policy(), 1, [], heals=kept)
    later = Studio(state=state, are_ready=False)
    later.feed(events.Booted(at=studio.at))
    later.ready(0, "w9")
    assert later.heals() == [("heal:acted", "worker_died"), ("heal:recovered", "worker_died")]
    assert bodies(later, Tag.HEAL_ACTED)[0]["heal"] == "h1"


def test_what_the_launcher_mended_is_written_with_its_times() -> None:
    studio = house()
    studio.feed(
        events.HealedOutside(at=studio.at, fault="daemon_lost", place="daemon", seconds=0.5, acted_s=0.1, silent_s=5.0)
    )
    assert [tag for tag, _ in studio.heals()] == ["fault:detected", "heal:acted", "heal:recovered"]
    (body,) = bodies(studio, Tag.HEAL_RECOVERED)
    assert (body["recovery_ms"], body["total_ms"]) == (500, 5500)


def test_new_policy_orders_the_line_anew_and_ends_nobody() -> None:
    studio = house(max_crashes=5)
    begin(studio, "j0")
    for number in range(1, 4):
        studio.lose(cause="exited")
        studio.ready(0, f"w{number}")
    assert studio.job("j0").crashes == 3
    changed = Policy(max_crashes=2, ageing_per_s=0.0)
    studio.feed(events.PolicyChanged(at=studio.at, policy=changed, healing=HealingPolicy(), version=2))
    assert studio.job("j0").crashes == 1
    assert studio.state.slots[0].worker is WorkerState.BUSY
