"""The house's clock: jumps of the wall clock move nothing, and all processes of a house tell the same time."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from dashboard.pulse import Beat
from scheduler import clock
from scheduler.clock import VARIABLE, SteadyClock, environment, house_now
from scheduler.store.opening import open_writer

HOUR_S = 3600.0


def test_process_that_no_launcher_started_has_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_AHEAD_S", None)
    monkeypatch.setattr(time, "time", lambda: 5.0)
    assert house_now() == 5.0


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S])
def test_jump_of_the_wall_clock_moves_neither_the_house_nor_a_daemon_started_after_it(
    monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    began = time.time()
    monkeypatch.setattr(clock, "_AHEAD_S", float(environment()[VARIABLE]))
    daemon, beat = SteadyClock(), Beat(at=house_now())
    monkeypatch.setattr(time, "time", lambda: began + jump_s)
    for now in (house_now(), daemon.now(), SteadyClock(not_before=daemon.now()).now()):
        assert now == pytest.approx(began, abs=60.0)
    assert 0.0 <= beat.age_s() < 60.0, "an answer is neither an hour old nor of an hour to come"


def test_house_goes_on_from_its_latest_time_where_the_clock_was_set_back_meanwhile() -> None:
    given = environment(not_before=9000.0, wall=lambda: 5400.0)
    assert float(given[VARIABLE]) + time.monotonic() == pytest.approx(9000.0, abs=60.0)


def test_child_of_a_launcher_reads_no_wall_clock() -> None:
    program = "import time; time.time = lambda: 1.0; from scheduler.clock import house_now; print(house_now())"
    given = {VARIABLE: repr(7000.0 - time.monotonic()), "PYTHONPATH": str(Path(clock.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", program], env=given, capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(7000.0, abs=60.0)


def test_store_that_is_opened_after_a_clock_was_set_back_writes_nothing_before_its_last_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "_AHEAD_S", None)
    with open_writer(tmp_path) as store:
        first = store.last_time()
    monkeypatch.setattr(time, "time", lambda: first - HOUR_S)
    with open_writer(tmp_path) as store:
        assert store.last_time() == first
    monkeypatch.setattr(clock, "_AHEAD_S", first - time.monotonic())
    monkeypatch.setattr(time, "time", lambda: first + HOUR_S)
    with open_writer(tmp_path) as store:
        assert first <= store.last_time() < first + 600.0, "nor does a jump ahead move the log"
