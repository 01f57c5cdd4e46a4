"""People of a chaos run: what they ask for, how often, and that nothing of it is forgotten when an answer is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import scheduler.chaos.load as load_module
from scheduler.chaos.load import Load
from scheduler.core.actions import MoveJob
from scheduler.core.job import JobState
from scheduler.errors import SchedulerError
from scheduler.store import Store, open_reader
from tests.unit.scheduler.store_rig import READER as ACTOR
from tests.unit.scheduler.store_rig import go, new_job, writer


class Door:
    """Accepts everything; the store is written by the test."""

    def __init__(self) -> None:
        self.jobs: list[str] = []
        self.times: list[dict[str, float]] = []  # of what was submitted
        self.sessions: list[tuple[str, list[str]]] = []  # key, users of the parts
        self.wishes: list[tuple[str, str]] = []
        self.priorities: list[tuple[str, int]] = []

    def submit(self, request: dict[str, Any], key: str) -> dict[str, Any]:
        """The next job's id."""
        self.jobs.append(f"j{len(self.jobs) + 1}")
        self.times.append({name: request[name] for name in ("start_in_sec", "deadline_sec") if name in request})
        return {"id": self.jobs[-1]}

    def submit_session(self, parts: list[dict[str, Any]], key: str) -> dict[str, Any]:
        """The ids of its parts; the first answer is lost on its way."""
        self.sessions.append((key, [part["user"] for part in parts]))
        if len(self.sessions) == 1:
            raise SchedulerError(503, "daemon_unreachable", "It is away.")
        return {"parts": [self.submit(part, key) for part in parts]}

    def set_priority(self, job_id: str, priority: int, reason: str) -> None:
        """A wish that is granted."""
        self.priorities.append((job_id, priority))

    def pause(self, job_id: str) -> None:
        """A wish that is granted."""
        self.wishes.append(("pause", job_id))

    def resume(self, job_id: str) -> None:
        """A wish that is granted."""
        self.wishes.append(("resume", job_id))

    def cancel(self, job_id: str) -> None:
        """A wish that is granted."""


def _people(tmp_path: Path, door: Door, **options: int) -> Load:
    """People at one door, whose house keeps its store in this folder."""
    return Load([lambda: door], lambda: open_reader(tmp_path), "fake", seed=1, **options)  # type: ignore[list-item, return-value]


def _submitted(store: Store) -> None:
    """The jobs of the first two ids that the door gives."""
    for number in (1, 2):
        with store.transaction():
            store.insert_job(new_job(number, id=f"j{number}"), ACTOR, 1.0)


def test_people_ask_anew_as_soon_as_one_of_their_jobs_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_module, "SESSION_RATIO", 0.0)
    door = Door()
    load = _people(tmp_path, door, most_open=2)
    with writer(tmp_path) as store:
        _submitted(store)
        for _ in range(5):
            load._one_round()
        assert door.jobs == ["j1", "j2"]
        with store.transaction():
            store.move_job(MoveJob("j1", JobState.SUBMITTED, JobState.QUEUED, "job:queued", {}, {}), ACTOR, 1.0)
            store.move_job(MoveJob("j1", JobState.QUEUED, JobState.CANCELLED, "job:cancelled", {}, {}), ACTOR, 2.0)
        load._one_round()
    assert door.jobs == ["j1", "j2", "j3"]


def test_people_who_want_a_preemption_lower_whoever_runs_and_raise_whoever_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_module, "SESSION_RATIO", 0.0)
    door = Door()
    load = _people(tmp_path, door, most_open=2)
    load.wants_preemption.set()
    with writer(tmp_path) as store:
        _submitted(store)
        go(store, "SUBMITTED", "QUEUED", job_id="j2")
        for _ in range(3):
            load._one_round()
        assert door.priorities == [], "nobody runs who could give way"
        go(store, "SUBMITTED", "QUEUED", "LEASED", "RUNNING", job_id="j1")
        load._one_round()
    assert door.priorities == [("j1", 1), ("j2", 100)]


def test_session_whose_answer_is_lost_is_asked_for_again_by_the_same_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_module, "SESSION_RATIO", 1.0)
    door = Door()
    load = _people(tmp_path, door, most_open=1)
    with writer(tmp_path):
        pass  # an empty store
    load._one_round()
    assert load.acknowledged == [] and load.refused.by_code == {"daemon_unreachable": 1}
    load._one_round()
    (first, second), parts = door.sessions, load.acknowledged
    assert first == second and len(parts) in (2, 3) and parts == load.asked
    assert [one.job_id for one in parts] == door.jobs
    assert [len(one.before) for one in parts] == list(range(len(parts)))


def test_one_time_at_once_is_reserved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_module, "SESSION_RATIO", 0.0)
    monkeypatch.setattr(load_module, "RESERVED_RATIO", 1.0)
    door = Door()
    load = _people(tmp_path, door)
    with writer(tmp_path):
        pass  # an empty store
    for _ in range(5):
        load._one_round()
    assert ["start_in_sec" in times for times in door.times] == [True, False, False, False, False]


def test_whatever_was_paused_goes_on_before_the_house_is_checked(tmp_path: Path) -> None:
    door = Door()
    load = _people(tmp_path, door)
    load._pause("j1", door)  # type: ignore[arg-type]
    load._pause("j2", door)  # type: ignore[arg-type]
    load._end_pauses(door, by=0.0)  # type: ignore[arg-type]
    assert door.wishes == [("pause", "j1"), ("pause", "j2")], "their time is not over"
    load.pause()
    assert door.wishes[2:] == [("resume", "j1"), ("resume", "j2")]
