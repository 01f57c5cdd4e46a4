"""Orders to die: taken once, by whoever passes the point first; points inside a computation strike only inside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.crash_orders import ORDERS_VARIABLE, TAKEN, take
from engine.worker.crash_points import VARIABLE, CrashPoint, CrashPoints


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """An empty folder for orders."""
    (tmp_path / TAKEN).mkdir()
    return tmp_path


def end_of(code: str, orders: Path, crash_at: str = "") -> int:
    """How a process with this program ends."""
    head = "import os, time\nfrom engine.worker.crash_points import *\npoints = CrashPoints.from_environment(os.environ)\n"
    env = {**os.environ, ORDERS_VARIABLE: str(orders), VARIABLE: crash_at}
    return subprocess.run([sys.executable, "-c", head + code], env=env, timeout=120).returncode


def test_an_order_is_taken_exactly_once(orders: Path) -> None:
    (orders / "after_flip").write_text("{}")
    assert take(orders, "after_flip")
    assert not take(orders, "after_flip")
    assert [path.name for path in (orders / TAKEN).iterdir()] == [f"after_flip.{os.getpid()}"]
    assert not take(None, "after_flip")


def test_process_that_passes_an_ordered_point_dies_there_and_its_successor_does_not(orders: Path) -> None:
    code = "points.pass_by(CrashPoint.AFTER_FLIP)"
    (orders / "after_flip").write_text("{}")
    assert end_of(code, orders) == -signal.SIGKILL
    assert end_of(code, orders) == 0


def test_point_inside_a_step_strikes_while_the_step_is_on(orders: Path) -> None:
    by_hand = "import threading, types; due = []; threading.Timer = lambda _, strike, arguments: types.SimpleNamespace("
    by_hand += "start=lambda: due.append((strike, arguments))); strike = lambda: [one(*arguments) for one, arguments in due]; "
    begun = "points.pass_by(CrashPoint.BEFORE_STEP); "
    (orders / "inside_step").write_text('{"part": 0.9}')
    assert end_of(by_hand + begun + "points.leave(); strike()", orders) == 0, "the step was over before the strike"
    assert end_of(by_hand + begun + "points.leave(); due.clear(); " + begun + "strike()", orders) == -signal.SIGKILL
    (orders / "inside_step").write_text('{"part": 0.9}')
    assert end_of(begun + "time.sleep(60)", orders) == -signal.SIGKILL, "and by the clock"
    assert end_of(begun + "time.sleep(60)", orders, "inside_step:1") == -signal.SIGKILL


def test_stopped_process_goes_on_where_it_stood(orders: Path) -> None:
    (orders / "after_flip").write_text('{"signal": "STOP"}')
    code = "from engine.worker.crash_points import *; import os; "
    code += "CrashPoints.from_environment(os.environ).pass_by(CrashPoint.AFTER_FLIP)"
    child = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, ORDERS_VARIABLE: str(orders)})
    try:
        assert os.WIFSTOPPED(os.waitpid(child.pid, os.WUNTRACED)[1])
        child.send_signal(signal.SIGCONT)
        assert child.wait(60) == 0
    finally:
        child.kill()
        child.wait()


def test_a_hang_holds_up_whoever_passes_and_nobody_else(orders: Path) -> None:
    (orders / "before_step").write_text('{"hang_s": 600}')
    others = "import threading; threading.Timer(0.2, os._exit, (7,)).start(); "
    assert end_of(others + "points.pass_by(CrashPoint.BEFORE_STEP); os._exit(0)", orders) == 7


def test_a_hang_ends_when_its_trace_is_taken_away(orders: Path) -> None:
    (orders / "before_step").write_text('{"hang_s": 600}')
    code = "from engine.worker.crash_points import *; import os; "
    code += "CrashPoints.from_environment(os.environ).pass_by(CrashPoint.BEFORE_STEP)"
    with subprocess.Popen([sys.executable, "-c", code], env={**os.environ, ORDERS_VARIABLE: str(orders)}) as child:
        trace = orders / TAKEN / f"before_step.{child.pid}"
        while not trace.exists():
            assert child.poll() is None
        trace.unlink()
    assert child.returncode == 0


def test_points_without_orders_cost_nothing_and_do_nothing() -> None:
    points = CrashPoints()
    began = time.perf_counter()
    for point in CrashPoint:
        points.pass_by(point)
    assert points._passed == {} and began < time.perf_counter()
