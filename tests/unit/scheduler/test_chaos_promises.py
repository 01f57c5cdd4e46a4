"""What a log must show of sessions, reserved times and pauses: what is kept is counted, every breach is named."""

from __future__ import annotations

from typing import Any

from scheduler.chaos.promises import HANDED_OVER, PAUSED, RESERVED
from scheduler.core.tags import Tag
from tests.unit.scheduler.log_rig import Log


class OneSlot(Log):
    """The log of a house of one slot."""

    def submit(self, job: str, hold: str = "waiting_for_slot", priority: int = 10, **about: Any) -> None:
        """A job that is queued."""
        self.row(Tag.JOB_SUBMITTED, f"job:{job}", priority=priority, **about)
        self.move(job, Tag.JOB_QUEUED, "SUBMITTED", "QUEUED", {"hold": hold})

    def move(self, job: str, tag: Tag, source: str, target: str, changed: dict[str, Any], **body: Any) -> None:
        """A job moves."""
        self.row(tag, f"job:{job}", **{"from": source, "to": target, "set": changed}, **body)

    def lease(self, job: str) -> None:
        """A job begins."""
        self.move(job, Tag.JOB_LEASED, "QUEUED", "LEASED", {"slot": 0, "hold": None})

    def end(self, job: str, state: str = "SUCCEEDED") -> None:
        """A job ends."""
        tag = Tag.JOB_SUCCEEDED if state == "SUCCEEDED" else Tag.JOB_CANCELLED
        self.move(job, tag, "RUNNING", state, {"slot": None})

    def turn(self, job: str) -> None:
        """It is a part's turn."""
        self.move(job, Tag.JOB_QUEUED, "QUEUED", "QUEUED", {"hold": "waiting_for_slot"}, cause="its_turn")

    def pass_on(self) -> None:
        """Another moment."""
        self.at += 1.0
        self.row(Tag.QUEUE_RESUMED, "queue")


def session() -> OneSlot:
    """Two parts, the first of which plays."""
    log = OneSlot()
    log.submit("one")
    log.submit("two", hold="awaiting_turn", follows="one")
    log.lease("one")
    return log


def test_next_part_that_takes_the_slot_in_the_same_step_is_counted() -> None:
    log = session()
    log.end("one")
    log.turn("two")
    log.lease("two")
    log.pass_on()
    assert log.promises.findings() == [] and log.promises.kept == {HANDED_OVER: 1}


def test_slot_that_another_job_takes_or_nobody_is_found() -> None:
    log = session()
    log.submit("other")
    log.end("one")
    log.turn("two")
    log.lease("other")
    assert "other takes slot 0, which was two's" in log.promises.findings()[0]
    log = session()
    log.end("one")
    log.turn("two")
    log.pass_on()
    assert "two was not given slot 0 when its turn came" in log.promises.findings()[0]


def test_part_waits_for_an_urgent_job_a_paused_queue_a_drained_slot_and_a_worker_that_is_being_stopped() -> None:
    hindrances = {
        "urgent job": lambda log: log.submit("other", priority=100),
        "queue paused": lambda log: log.row(Tag.QUEUE_PAUSED, "queue"),
        "slot drained": lambda log: log.row(Tag.SLOT_DRAINED, "slot:0"),
        "worker being stopped": lambda log: log.row(Tag.WORKER_KILL_ORDERED, "slot:0"),
    }
    for why, hinder in hindrances.items():
        log = session()
        hinder(log)
        log.end("one")
        log.turn("two")
        log.pass_on()
        assert log.promises.findings() == [] and log.promises.kept == {f"parts let wait: {why}": 1}


def test_what_hindered_a_part_and_is_over_excuses_nothing() -> None:
    log = session()
    log.row(Tag.SLOT_DRAINED, "slot:0")
    log.row(Tag.SLOT_RETURNED, "slot:0")
    log.row(Tag.WORKER_KILL_ORDERED, "slot:0")
    log.row(Tag.WORKER_READY, "slot:0")
    log.submit("other", priority=100)
    log.move("other", Tag.JOB_PAUSED, "QUEUED", "QUEUED", {"hold": "paused", "is_paused": True})
    log.end("one")
    log.turn("two")
    log.pass_on()
    assert len(log.promises.findings()) == 1


def test_part_that_begins_before_its_turn_or_outlives_its_session_is_found() -> None:
    log = session()
    log.lease("two")
    assert "two begins, and one, which it follows, is LEASED" in log.promises.findings()[0]
    log = session()
    log.end("one", "CANCELLED")
    assert log.promises.findings() == ["two is QUEUED, and one, which it follows, has ended as CANCELLED"]
    log.end("two", "CANCELLED")
    assert log.promises.findings() == []


def test_session_gives_way_to_urgent_jobs_only_and_a_reserved_one_to_nobody() -> None:
    log = session()
    log.move("one", Tag.JOB_PREEMPTING, "RUNNING", "PREEMPTING", {}, cause="preempted", rule="urgent")
    assert log.promises.findings() == []
    log.move("one", Tag.JOB_PREEMPTING, "RUNNING", "PREEMPTING", {}, cause="preempted", rule="margin")
    assert "one is a part of a session and is stopped" in log.promises.findings()[0]
    log = OneSlot()
    log.submit("promised", start_at=1_000.0)
    log.lease("promised")
    assert log.promises.kept == {RESERVED: 1}
    log.move("promised", Tag.JOB_PREEMPTING, "RUNNING", "PREEMPTING", {}, cause="preempted", rule="urgent")
    assert "promised had a reserved time and is stopped" in log.promises.findings()[0]


def test_job_that_begins_before_its_time_or_while_it_is_paused_is_found() -> None:
    log = OneSlot()
    log.submit("promised", hold="scheduled", start_at=1_000.5)
    log.lease("promised")
    assert "before its reserved time 1970-01-01T00:16:40.500000Z" in log.promises.findings()[0]
    log = OneSlot()
    log.submit("paused")
    log.move("paused", Tag.JOB_PAUSED, "QUEUED", "QUEUED", {"hold": "paused", "is_paused": True})
    log.move("paused", Tag.JOB_RESUMED, "QUEUED", "QUEUED", {"hold": "waiting_for_slot", "is_paused": False})
    log.lease("paused")
    assert log.promises.findings() == [] and log.promises.kept == {PAUSED: 1}
    log.submit("still")
    log.move("still", Tag.JOB_PAUSED, "QUEUED", "QUEUED", {"hold": "paused", "is_paused": True})
    log.lease("still")
    assert "still begins while it is paused" in log.promises.findings()[0]
