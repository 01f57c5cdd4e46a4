"""Striking, without a house: an order counts when its taker is gone."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scheduler.chaos import strike
from scheduler.chaos.house import ChaosHouse, NotWithin
from scheduler.chaos.load import Load
from scheduler.chaos.plan import Blow
from scheduler.chaos.points import Kind
from scheduler.chaos.strike import Striker
from scheduler.crash_points import TAKEN


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
