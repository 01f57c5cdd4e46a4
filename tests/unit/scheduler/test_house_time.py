"""What the command line takes for now: the running daemon's time, however the machine's clock was set meanwhile."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scheduler.cli import place
from scheduler.cli.app import app
from scheduler.cli.place import house_time
from scheduler.door import Actor, forecaster_path, socket_path
from scheduler.door_server import DoorServer
from tests.unit.scheduler.store_rig import accept, go, writer

HOUR_S = 3600.0
Tell = Callable[[], dict[str, Any]]


@contextmanager
def answering(path: Path, tell: Tell) -> Iterator[None]:
    """A door at which every request is told the same."""

    async def answer(command: str, actor: Actor, args: dict[str, Any]) -> dict[str, Any]:
        return tell()

    path.parent.mkdir(exist_ok=True)
    loop, door = asyncio.new_event_loop(), DoorServer(path, answer)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(door.start(), loop).result(60)
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(door.stop(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def run(data_dir: Path, *words: str) -> str:
    """What a command prints."""
    return CliRunner().invoke(app, [*words, "--data", str(data_dir)]).stdout


@pytest.fixture(params=[HOUR_S, -HOUR_S])
def off_s(request: pytest.FixtureRequest) -> float:
    """How far the house's time is ahead of the machine's clock."""
    return float(request.param)


@pytest.fixture
def data(tmp_path: Path, off_s: float) -> Iterator[Path]:
    """A house whose time lies off, as its daemon says."""
    with answering(socket_path(tmp_path), lambda: {"daemon": {"now": time.time() + off_s}}):
        yield tmp_path


def test_waits_are_told_by_the_time_of_the_house(data: Path, off_s: float) -> None:
    now = time.time() + off_s
    with writer(data) as store:
        early, late = (accept(store, number, submitted_at=now, start_at=now + in_s) for number, in_s in ((1, -60.0), (2, 240.0)))
        for job in (early, late):
            go(store, "SUBMITTED", "QUEUED", job_id=job, hold="scheduled")
    listed = {row["id"]: row["place"] for row in json.loads(run(data, "jobs", "--json"))["jobs"]}
    assert listed == {early: 1, late: None}, "one's time has come, the other's has not"
    told = run(data, "jobs", late)
    assert any(f"in {seconds} s" in told for seconds in range(120, 241)), told


def test_forecast_is_fresh_and_counted_from_the_time_of_the_house(data: Path, off_s: float) -> None:
    def board() -> dict[str, Any]:
        now = time.time() + off_s
        ranges = {"start": [now + 300] * 3, "goes_on": None, "finish": [now + 600] * 3}
        return {"at": now, "jobs": {"j000000000001": {"estimate": ranges, "estimate_state": "known"}}}

    with writer(data) as store:
        accept(store, 1)
    with answering(forecaster_path(data), board):
        shown = run(data, "forecast", "show")
        known = json.loads(run(data, "forecast", "show", "--json"))["jobs"]
    assert list(known) == ["j000000000001"]
    seconds = [int(number) for number in re.findall(r"(\d+) s \(", shown)]
    assert 240 <= seconds[0] <= 360 and 540 <= seconds[1] <= 660, shown


def test_status_says_how_far_the_two_lie_apart(tmp_path: Path, off_s: float) -> None:
    word = "ahead of" if off_s > 0 else "behind"
    status: dict[str, Any] = {
        "daemon": {"pid": 1, "now": 0.0, "model": "pocket", "weights_trained": True}, "queue": {"length": 0, "paused": False},
        "vault": None, "disk": {"free_bytes": 1 << 30}, "standby": [], "slots": [],
    }  # fmt: skip
    for far_s, lines in ((off_s, 1), (0.0, 0)):
        with answering(socket_path(tmp_path), lambda: {**status, "daemon": {**status["daemon"], "now": time.time() + far_s}}):  # noqa: B023
            said = [line for line in run(tmp_path, "status").splitlines() if line.startswith("clock")]
        assert len(said) == lines and all(f"60 min {word} the machine's clock" in line for line in said)


def test_machines_clock_counts_where_no_daemon_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(place, "house_now", lambda: 5000.0)
    (tmp_path / "run").mkdir()
    assert house_time(tmp_path) == 5000.0
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(socket_path(tmp_path)))  # what a killed daemon leaves behind
    assert house_time(tmp_path) == 5000.0
    assert capsys.readouterr().err == ""


def test_daemon_that_hangs_does_not_keep_a_command_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(place, "house_now", lambda: 5000.0)
    monkeypatch.setattr(place, "PATIENCE_S", 0.05)
    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(socket_path(tmp_path)))
        silent.listen()
        assert house_time(tmp_path) == 5000.0
    assert "by this machine's clock" in capsys.readouterr().err
