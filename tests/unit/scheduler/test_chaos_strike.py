"""Striking and asking, without a house: an order counts when its taker is gone, and people go on asking when jobs end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from scheduler.chaos import strike
from scheduler.chaos.house import ChaosHouse, NotWithin
from scheduler.chaos.load import Load
from scheduler.chaos.plan import Blow
from scheduler.chaos.points import Kind
from scheduler.chaos.strike import Striker
from scheduler.core.actions import MoveJob
from scheduler.core.job import JobState
from scheduler.crash_points import TAKEN
from scheduler.store import open_reader
from tests.unit.scheduler.store_rig import READER as ACTOR
from tests.unit.scheduler.store_rig import go, new_job, writer


class Door:
    """Accepts everything; the store is written by the test."""

    def __init__(self) -> None:
        self.jobs: list[str] = []
        self.priorities: list[tuple[str, int]] = []

    def submit(self, request: dict[str, Any], key: str) -> dict[str, Any]:
        """The next job's id."""
        self.jobs.append(f"j{len(self.jobs) + 1}")
        return {"id": self.jobs[-1]}

    def set_priority(self, job_id: str, priority: int, reason: str) -> None:
        """A wish that is granted."""
        self.priorities.append((job_id, priority))

    cancel = pause = resume = lambda self, job_id: None  # wishes that are granted


def test_order_counts_only_when_whoever_took_it_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strike, "END_S", 0.05)
    house = ChaosHouse(tmp_path, "fake")
    striker = Striker(house, Load([], lambda: house.reader, "fake", seed=1), seed=1)
    taker = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    (house.orders / TAKEN / f"after_flip.{taker.pid}").touch()
    with pytest.raises(NotWithin, match=f"the end of {taker.pid} at after_flip"):
        striker._wait_for_death("after_flip", set())
    taker.send_signal(signal.SIGKILL)
    taker.communicate()
    striker._wait_for_death("after_flip", set())


@pytest.mark.parametrize(("left_s", "missed"), [(60.0, 1), (0.0, 0)])
def test_blow_that_found_nobody_is_a_miss_unless_the_limit_of_the_run_ended_its_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left_s: float, missed: int
) -> None:
    monkeypatch.setitem(strike.POINT_S, "fake", 0.05)
    house = ChaosHouse(tmp_path, "fake")  # never started: nobody lives in it
    load = Load([], lambda: house.reader, "fake", seed=1)
    striker = Striker(house, load, seed=1, stop_at=time.monotonic() + left_s)
    monkeypatch.setattr(striker, "_kill", lambda kind, **_: None)
    striker.strike(Blow(number=7, kind=Kind.LAUNCHER, point="launcher_before_record"))
    assert len(striker.tally.missed) == missed and not striker.tally.kills
    assert all(text.startswith("blow 7 (kill launcher launcher_before_record): not within") for text in striker.tally.missed)
    assert list(house.orders.glob("launcher*")) == [], "the order is taken back"


def test_people_ask_anew_as_soon_as_one_of_their_jobs_has_ended(tmp_path: Path) -> None:
    door = Door()
    load = Load([lambda: door], lambda: open_reader(tmp_path), "fake", seed=1, most_open=2)  # type: ignore[list-item, return-value]
    with writer(tmp_path) as store:
        for number in (1, 2):
            with store.transaction():
                store.insert_job(new_job(number, id=f"j{number}"), ACTOR, 1.0)
        for _ in range(5):
            load._one_round()
        assert door.jobs == ["j1", "j2"]
        with store.transaction():
            store.move_job(MoveJob("j1", JobState.SUBMITTED, JobState.QUEUED, "job:queued", {}, {}), ACTOR, 1.0)
            store.move_job(MoveJob("j1", JobState.QUEUED, JobState.CANCELLED, "job:cancelled", {}, {}), ACTOR, 2.0)
        load._one_round()
    assert door.jobs == ["j1", "j2", "j3"]


def test_people_who_want_a_preemption_lower_whoever_runs_and_raise_whoever_waits(tmp_path: Path) -> None:
    door = Door()
    load = Load([lambda: door], lambda: open_reader(tmp_path), "fake", seed=1, most_open=2)  # type: ignore[list-item, return-value]
    load.wants_preemption.set()
    with writer(tmp_path) as store:
        for number in (1, 2):
            with store.transaction():
                store.insert_job(new_job(number, id=f"j{number}"), ACTOR, 1.0)
        go(store, "SUBMITTED", "QUEUED", job_id="j2")
        for _ in range(3):
            load._one_round()
        assert door.priorities == [], "nobody runs who could give way"
        go(store, "SUBMITTED", "QUEUED", "LEASED", "RUNNING", job_id="j1")
        load._one_round()
    assert door.priorities == [("j1", 1), ("j2", 100)]
