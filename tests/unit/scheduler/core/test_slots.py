"""Several slots, another number of them after a restart, and where a role that was made ready plays."""

from __future__ import annotations

from dataclasses import asdict

from scheduler.core import events
from scheduler.core.actions import Record, SendRun
from scheduler.core.heals import Heals
from scheduler.core.job import HoldReason, Job
from scheduler.core.machine import State
from tests.unit.scheduler.core.studio import Studio


def restarted(studio: Studio, slots: int, **more: object) -> Studio:
    """The same jobs in a house of so many slots; a running job's slot stands in its row."""
    jobs = [Job.from_row(asdict(job)) for job in studio.state.jobs.values()]
    heals = Heals.from_mapping(studio.state.heals.to_mapping())
    again = Studio(are_ready=False, state=State.restore(studio.state.policy, slots, jobs, heals=heals, **more))  # type: ignore[arg-type]
    again.at = studio.at
    again.feed(events.Booted(at=again.at))
    return again


def test_job_of_a_slot_that_is_gone_goes_on_at_one_that_is_there() -> None:
    studio = Studio(slots=2)
    for name in ("j0", "j1"):
        studio.submit(name)
        studio.start(name, blocks=3)
    assert studio.job("j1").slot == 1
    again = restarted(studio, slots=1, drained_slots=[1])
    assert [again.job(name).hold for name in ("j0", "j1")] == [HoldReason.RECOVERING] * 2
    again.ready()
    assert again.running() == ["j0"] and again.only(SendRun).from_block == 3
    again.finish("j0")
    assert again.running() == ["j1"] and again.only(SendRun).from_block == 3
    more = restarted(again, slots=2, drained_slots=[1])
    more.ready(0)
    more.ready(1)
    more.submit("j2")
    assert more.running() == ["j1", "-"], "a slot that people drained is so when it is back"


def test_faults_of_a_slot_and_a_gpu_that_are_gone_are_over() -> None:
    studio = Studio(slots=2)
    studio.lose(1)
    studio.feed(events.DeviceWasRead(at=studio.at, device="gpu1", slots=(1,), is_lost=True))
    assert [heal.place for heal in studio.state.heals.open.values()] == ["slot:1", "gpu1"]
    again = restarted(studio, slots=1)
    ended = [action for action in again.all(Record) if action.tag == "heal:abandoned"]
    assert {action.body["cause"] for action in ended} == {"slot_is_gone"} and not again.state.heals.open


def test_lost_gpu_stops_its_own_slot_alone_and_its_job_goes_on_at_the_other() -> None:
    studio = Studio(slots=2)
    for name in ("j0", "j1"):
        studio.submit(name)
        studio.start(name, blocks=2)
    studio.feed(events.DeviceWasRead(at=studio.at, device="gpu1", slots=(1,), is_lost=True))
    studio.lose(1, "killed")
    assert studio.running() == ["j0", "-"]
    studio.ready(1, "w9")
    assert studio.running() == ["j0", "-"], "its GPU is still gone"
    studio.finish("j0")
    assert studio.running() == ["j1", "-"] and studio.only(SendRun).from_block == 2


def test_job_plays_where_its_role_was_made_ready() -> None:
    studio = Studio(slots=3)
    studio.feed(events.StageWasSet(at=studio.at, slot=2, role="teacher"))
    studio.submit("j0", role="teacher")
    studio.submit("j1", role="student")
    assert studio.running() == ["j1", "-", "j0"]
    studio.lose(1)
    studio.feed(events.StageWasSet(at=studio.at, slot=1, role="student"))
    assert studio.state.slots[1].last_role is None, "whoever made it ready is gone"

