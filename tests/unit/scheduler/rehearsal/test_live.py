"""When a live rehearsal may begin, and that it leaves nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scheduler.core.actions import MoveJob
from scheduler.core.job import JobState
from scheduler.errors import SchedulerError
from scheduler.rehearsal.live import USER, check_ready, play_live
from scheduler.rehearsal.measured import estimates_of, handover_of, pace_of, spells_of
from scheduler.store import Reader, Store, open_reader
from tests.unit.scheduler.store_rig import AT, READER, accept, block, go, new_job, role, writer

READY: dict[str, Any] = {
    "queue": {"paused": False}, "slots": [{"worker": "w1", "drained": False, "device": "cpu"}],
}  # fmt: skip


class Door:
    """The daemon's door: every second job succeeds at once, the others stay until they are cancelled."""

    def __init__(self, store: Store) -> None:
        self.store, self.requests, self.cancelled = store, [], []

    def status(self) -> dict[str, Any]:
        """One slot."""
        return READY

    def submit(self, request: dict[str, Any]) -> dict[str, Any]:
        """Take a job up."""
        self.requests.append(request)
        number = len(self.requests)
        job = new_job(number, user=request["user"], priority=request["priority"], role=request["role"])
        with self.store.transaction():
            self.store.insert_job(job, READER, AT + number)
        go(self.store, "SUBMITTED", "QUEUED", job_id=job.id)
        if number % 2:
            steps = (("QUEUED", "LEASED", "leased"), ("LEASED", "RUNNING", "started"), ("RUNNING", "SUCCEEDED", "succeeded"))
            for later, (source, target, verb) in enumerate(steps, 1):
                at = AT + number + later
                fields = {"started": {"started_at": at}, "succeeded": {"finished_at": at}}.get(verb, {})
                with self.store.transaction():
                    told = MoveJob(job.id, JobState(source), JobState(target), f"job:{verb}", fields)
                    self.store.move_job(told, READER, at)
        return {"id": job.id}

    def cancel(self, job_id: str) -> dict[str, Any]:
        """End a job."""
        self.cancelled.append(job_id)
        go(self.store, "QUEUED", "CANCELLED", job_id=job_id)
        return {}


def _reader(tmp_path: Path, has_role: bool = True, has_job: bool = False) -> Reader:
    with writer(tmp_path) as store:
        if has_role:
            with store.transaction():
                store.put_role(role(), READER, AT)
        if has_job:
            go(store, "SUBMITTED", "QUEUED", job_id=accept(store))
    return open_reader(tmp_path)


def test_live_rehearsal_does_not_delay_others_unless_told(tmp_path: Path) -> None:
    reader = _reader(tmp_path, has_job=True)
    with pytest.raises(SchedulerError, match="would delay 1 open job of others") as caught:
        check_ready(READY, reader, may_delay=False)
    assert "--anyway" in caught.value.hint
    assert check_ready(READY, reader, may_delay=True) == ["teacher"]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ({**READY, "queue": {"paused": True}}, "queue_paused"),
        ({**READY, "slots": [{"worker": None, "drained": False, "device": None}]}, "no_slot"),
        ({**READY, "slots": [{"worker": "w1", "drained": True, "device": "cpu"}]}, "no_slot"),
    ],
)
def test_live_rehearsal_begins_only_where_something_plays(status: dict[str, Any], code: str, tmp_path: Path) -> None:
    with pytest.raises(SchedulerError) as caught:
        check_ready(status, _reader(tmp_path), may_delay=False)
    assert caught.value.code == code


def test_live_rehearsal_needs_a_role(tmp_path: Path) -> None:
    with pytest.raises(SchedulerError, match="No role is loaded"):
        check_ready(READY, _reader(tmp_path, has_role=False), may_delay=False)


def test_live_rehearsal_is_bounded_and_cancels_what_is_left(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        door = Door(store)
        report = play_live(door, open_reader(tmp_path), ["teacher"], jobs=4, limit_s=0.0, urgent_priority=100, say=lambda _: None)  # type: ignore[arg-type]
    assert len(door.requests) == 3, "the time was over before the urgent one could follow"
    assert {request["user"] for request in door.requests} == {USER}
    assert {(request["preset"], request["steps"]) for request in door.requests} == {("pocket", 3)}
    assert (report["is_cut_short"], report["totals"]["cancelled"], report["totals"]["succeeded"]) == (True, 1, 2)
    assert [job["state"] for job in report["jobs"]] == ["SUCCEEDED", "CANCELLED", "SUCCEEDED"]
    assert report["jobs"][0]["wait_s"] == 1.0, "until it had the slot; its worker prepared for a second more"
    assert max(one["longest_wait_s"] or 0.0 for one in report["classes"].values()) == report["peaks"]["longest_wait_s"] == 1.0


def test_live_report_tells_time_on_slots_from_pauses_and_waiting_from_preparing(tmp_path: Path) -> None:
    """A job gives way to an urgent one: spells and handover by the log's times, the pace by the blocks'."""
    told = [
        (1, 0, "SUBMITTED", "QUEUED", "queued"), (1, 1, "QUEUED", "LEASED", "leased"), (1, 2, "LEASED", "RUNNING", "started"),
        (2, 10, "SUBMITTED", "QUEUED", "queued"), (1, 12, "RUNNING", "PREEMPTING", "preempting"),
        (1, 13, "PREEMPTING", "QUEUED", "preempted"), (2, 13, "QUEUED", "LEASED", "leased"),
        (2, 16, "LEASED", "RUNNING", "started"), (2, 20, "RUNNING", "SUCCEEDED", "succeeded"),
        (1, 20, "QUEUED", "LEASED", "leased"), (1, 21, "LEASED", "RUNNING", "started"),
    ]  # fmt: skip
    with writer(tmp_path) as store:
        slow, urgent = accept(store, 1), accept(store, 2)
        for number, at, source, target, verb in told:
            with store.transaction():
                job_id = (slow, urgent)[number - 1]
                store.move_job(MoveJob(job_id, JobState(source), JobState(target), f"job:{verb}"), READER, AT + at)
        with store.transaction():
            for number, at in enumerate((6, 10, 25)):
                store.insert_block(block(number, slow, made_at=AT + at))
        reader = open_reader(tmp_path)
        spells = spells_of(reader, slow, AT + 25)
        assert [(since - AT, until - AT) for since, until in spells] == [(1, 13), (20, 25)], "the second is not over"
        row = {"id": urgent, "submitted_at": AT + 10, "state": "SUCCEEDED"}
        pace = pace_of(reader, [slow, urgent])
        assert pace == 4.0, "2 to 6, 6 to 10, 21 to 25: not the pause between"
        found = handover_of(reader, row, pace)
        assert (found["slot_s"], found["slot_blocks"], found["prepare_s"], found["wait_s"]) == (3.0, 0.75, 3.0, 6.0)
        at_once = handover_of(reader, {**row, "submitted_at": AT + 13 + 4e-7}, pace)
        assert str(at_once["slot_s"]) == "0.0", "the log cuts its times: nobody had a slot before asking for it"
        assert estimates_of(reader, [row]) == {"told": 0, "within": 0, "mean_error": None}


def test_running_job_that_is_asked_about_fewer_steps_keeps_its_slot(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        job_id = accept(store, 1)
        for at, action, body in (
            (1, "job:leased", {}), (3, "job:offered", {"rung": "steps=3"}), (5, "job:degraded", {"rung": "steps=3"}),
            (9, "job:offered", {"rung": "steps=3", "code": "out_of_memory"}), (20, "job:leased", {}),
        ):  # fmt: skip
            with store.transaction():
                store.record(action, f"job:{job_id}", body, READER, AT + at)
        spells = spells_of(open_reader(tmp_path), job_id, AT + 25)
        assert [(since - AT, until - AT) for since, until in spells] == [(1, 9), (20, 25)]
