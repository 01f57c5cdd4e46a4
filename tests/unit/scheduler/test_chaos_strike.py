"""Striking and asking, without a house: an order counts when its taker is gone, and people go on asking when jobs end."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from scheduler.chaos import strike
from scheduler.chaos.house import ChaosHouse, NotWithin
from scheduler.chaos.load import Load
from scheduler.chaos.plan import Blow
from scheduler.chaos.points import Kind
from scheduler.chaos.run import ChaosOptions, Report, not_hit
from scheduler.chaos.strike import Striker, Tally
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


def test_run_that_could_not_strike_everything_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(strike.POINT_S, "fake", 0.05)
    kinds, points = (Kind.WEB, Kind.LAUNCHER), ("launcher_before_record",)
    options = ChaosOptions(engine="fake", kills=3, seed=1, kinds=kinds, points=points, home=tmp_path)
    house = ChaosHouse(tmp_path, "fake")  # never started: nobody lives in it
    striker = Striker(house, Load([], lambda: house.reader, "fake", seed=1), seed=1)
    monkeypatch.setattr(house, "keep_up", lambda: None)
    monkeypatch.setattr(striker, "_kill", lambda kind, **_: None)
    striker.strike(Blow(number=7, kind=Kind.LAUNCHER, point="launcher_before_record"))
    found = not_hit(options, striker.tally)
    assert found[:2] == ["no web was killed", "no launcher was killed"]
    assert found[2].startswith("nobody was killed at launcher_before_record (blow 7")
    assert not Report(options, [], found).is_passed
    assert not_hit(options, Tally(kills=Counter(kinds), points=Counter(points))) == []


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
