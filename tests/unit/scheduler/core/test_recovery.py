"""Leases that run out, workers that die, the daemon's restart: nothing is lost, and nothing loops for ever."""

from __future__ import annotations

import dataclasses
import json

import pytest

from scheduler.core import events
from scheduler.core.actions import KillWorker, MoveJob, Record, SendRun
from scheduler.core.fleet import LEGAL_WORKER_MOVES, WorkerState
from scheduler.core.job import HoldReason, Job, JobState
from scheduler.core.machine import State, step
from scheduler.core.policy import Policy
from tests.unit.scheduler.core.studio import Studio


def test_silent_worker_is_killed_once_and_its_job_goes_on_elsewhere() -> None:
    studio = Studio(slots=2, lease_s=10.0)
    studio.submit("j0")
    studio.start("j0", blocks=2)
    studio.tick(9.9)
    assert not studio.actions
    studio.tick(0.2)
    assert (studio.only(KillWorker).cause, studio.tags()) == ("lease_expired", ["worker:kill-ordered"])
    studio.tick(1)
    assert not studio.actions
    assert studio.running() == ["j0", "-"]  # not given to another before it is dead
    studio.lose(0, "killed")
    assert studio.tags() == ["worker:lost", "job:recovered", "job:leased"]
    assert studio.only(SendRun).slot == 1 and studio.only(SendRun).from_block == 2
    assert studio.job("j0").crashes == 1


def test_report_that_arrives_before_the_kill_still_counts() -> None:
    studio = Studio(lease_s=10.0)
    studio.submit("j0", total_blocks=1)
    studio.start("j0")
    studio.tick(11)
    studio.finish("j0")
    assert studio.tags() == ["job:succeeded"]
    assert studio.state.slots[0].worker is WorkerState.STOPPING
    studio.lose(0, "killed")
    assert studio.state.slots[0].worker is WorkerState.STOPPED


def test_recovered_job_goes_before_others_of_its_priority() -> None:
    studio = Studio()
    studio.submit("j0")
    studio.start("j0", blocks=1)
    studio.submit("j1")
    studio.lose()
    studio.ready(worker_id="w1")
    assert studio.running() == ["j0"]


def test_job_that_kills_its_worker_again_and_again_fails_with_its_story() -> None:
    studio = Studio(max_crashes=3)
    studio.submit("j0")
    for n in range(2):
        studio.lose()
        assert studio.job("j0").hold is HoldReason.RECOVERING
        studio.ready(worker_id=f"n{n}")
    studio.lose()
    move = studio.only(MoveJob)
    assert (move.target, move.fields["error_code"]) == (JobState.FAILED, "poison_job")
    assert "block 0 of this job: 3." in move.fields["error_message"]
    assert any("job:recovered" in line for line in move.body["story"])
    assert studio.state.slots[0].strikes == 0  # the job is to blame, not the slot


def test_new_block_sets_the_count_of_crashes_back() -> None:
    studio = Studio(max_crashes=2)
    studio.submit("j0")
    for n in range(6):
        studio.start("j0", blocks=1)
        studio.lose()
        assert studio.job("j0").crashes == 1
        studio.ready(worker_id=f"n{n}")
    assert studio.job("j0").blocks_done == 6


@pytest.mark.parametrize(("cause", "crashes"), [("exited", 1), ("hung_step", 1), ("stopped", 0)])
def test_only_a_worker_that_died_counts_against_the_job(cause: str, crashes: int) -> None:
    studio = Studio()
    studio.submit("j0")
    studio.lose(cause=cause)
    assert studio.job("j0").crashes == crashes


def test_news_of_a_worker_that_is_not_there_is_refused() -> None:
    studio = Studio()
    studio.submit("j0")
    studio.feed(events.WorkerWasLost(at=studio.at, slot=0, worker_id="other", cause="exited"))
    assert studio.only(Record).tag == "report:refused"
    assert studio.running() == ["j0"]


def test_standby_that_takes_over_recovers_the_job_of_the_worker_before_it() -> None:
    studio = Studio()
    studio.submit("j0")
    studio.start("j0", blocks=2)
    studio.ready(worker_id="standby")
    assert studio.tags() == ["worker:lost", "job:recovered", "worker:ready", "job:leased"]
    assert studio.only(SendRun).worker_id == "standby"
    studio.ready(worker_id="standby")
    assert not studio.actions


def test_slot_that_keeps_losing_workers_rests_in_quarantine() -> None:
    studio = Studio(max_strikes=2, quarantine_s=30.0)
    studio.lose()
    studio.ready(worker_id="n1")
    studio.lose()
    assert studio.tags() == ["worker:lost", "worker:quarantined"]
    studio.submit("j0")
    studio.ready(worker_id="n2")
    assert studio.running() == ["-"]
    studio.tick(31)
    assert studio.tags() == ["worker:released", "job:leased"]


def test_starting_worker_is_known_before_it_is_ready() -> None:
    studio = Studio(are_ready=False)
    studio.feed(events.WorkerWasStarted(at=studio.at, slot=0, worker_id="w0"))
    assert studio.state.slots[0].worker is WorkerState.STARTING
    studio.lose()
    assert studio.state.slots[0].worker is WorkerState.STOPPED
    studio.feed(events.WorkerWasStarted(at=studio.at, slot=0, worker_id="w1"))
    studio.ready(worker_id="w1")
    assert studio.state.slots[0].worker is WorkerState.READY


def test_worker_moves_outside_the_table_are_broken_invariants() -> None:
    slot = Studio(are_ready=False).state.slots[0]
    with pytest.raises(AssertionError, match="not legal"):
        slot.move(WorkerState.BUSY)
    assert set(LEGAL_WORKER_MOVES) == set(WorkerState)


def restored(studio: Studio, **more: object) -> Studio:
    """The studio after the daemon was killed: only what is in the table is left."""
    rows = [
        dataclasses.asdict(job) | {"width": 192, "is_paused": int(job.is_paused)} for job in studio.state.jobs.values()
    ]
    jobs = [Job.from_row(json.loads(json.dumps(row))) for row in rows]
    state = State.restore(studio.state.policy, len(studio.state.slots), jobs, **more)  # type: ignore[arg-type]
    again = Studio(state=state, are_ready=False)
    again.at = studio.at + 1
    return again


def test_after_a_restart_what_a_worker_held_is_queued_as_recovering() -> None:
    studio = Studio(slots=2)
    studio.submit("j0")
    studio.start("j0", blocks=3)
    studio.submit("j1")
    studio.submit("j2")
    studio.pause("j1")
    again = restored(studio)
    again.feed(events.Booted(at=again.at))
    assert again.tags() == ["daemon:booted", "job:recovered", "job:recovered"]
    assert again.job("j0").hold is HoldReason.RECOVERING and again.job("j0").crashes == 0
    assert again.job("j1").hold is HoldReason.PAUSED
    assert again.job("j2").hold is HoldReason.WAITING_FOR_SLOT
    again.ready(0)
    assert again.only(SendRun).lease_id == "j0-2"  # never issued before
    assert again.only(SendRun).from_block == 3


def test_after_a_restart_cancelled_work_ends_and_reports_of_before_are_refused() -> None:
    studio = Studio()
    studio.submit("j0")
    studio.submit("j1")
    studio.cancel("j0")
    again = restored(studio)
    again.feed(events.Booted(at=again.at))
    assert again.tags() == ["daemon:booted", "job:cancelled"]
    again.feed(events.BlockWasDone(at=again.at, lease_id="j0-1", block=0))
    assert again.only(Record).tag == "report:refused"


def test_after_a_restart_roles_queue_and_drains_are_as_they_were() -> None:
    studio = Studio(are_ready=False)
    studio.submit("j0", role="teacher")
    studio.submit("j1", role="student")
    again = restored(studio, unavailable_roles=["teacher"], is_queue_paused=True, drained_slots=[0])
    again.feed(events.Booted(at=again.at))
    assert again.job("j0").hold is HoldReason.ROLE_UNAVAILABLE
    again.ready()
    again.feed(events.QueueResumed(at=again.at))
    assert again.running() == ["-"]
    again.feed(events.SlotDrained(at=again.at, slot=0, is_drained=False))
    assert again.running() == ["j1"]


def test_after_a_restart_a_back_off_still_ends() -> None:
    studio = Studio(retry_backoff_s=20.0)
    studio.submit("j0")
    studio.fail("j0")
    again = restored(studio)
    again.feed(events.Booted(at=again.at))
    again.ready()
    assert again.running() == ["-"]
    again.tick(21)
    assert again.running() == ["j0"]


def test_nothing_happens_between_a_restore_and_booted() -> None:
    state = State.restore(Policy(), 1, [])
    with pytest.raises(AssertionError, match="before Booted"):
        step(state, events.TimePassed(at=1.0))


def test_rows_that_make_no_sense_are_not_restored() -> None:
    row = Job(
        id="j0", ordinal=0, user="education-team", team="education", role="teacher", priority=1, submitted_at=0.0,
        total_blocks=1, context_bytes=1, degrade="ask",
    )  # fmt: skip
    with pytest.raises(ValueError, match="j0"):
        State.restore(Policy(), 1, [row])
    row.state = JobState.SUCCEEDED
    assert not State.restore(Policy(), 1, [row]).jobs


def test_time_never_runs_backwards() -> None:
    studio = Studio(lease_s=10.0)
    studio.submit("j0")
    studio.at += 5
    studio.start("j0", blocks=1)
    studio.feed(events.TimePassed(at=studio.at - 3_600))
    studio.feed(events.BlockWasDone(at=studio.at - 3_600, lease_id="j0-1", block=1))
    assert studio.only(MoveJob).fields["lease_until"] == studio.at + 10.0
