"""Several houses struck side by side: one report, a limit of time, Ctrl-C, and a house that stands still."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scheduler.chaos import houses
from scheduler.chaos.census import marked
from scheduler.chaos.house import ROOT
from scheduler.chaos.points import Kind
from scheduler.chaos.run import ChaosOptions
from tests.acceptance.studio import until

COMMAND = (
    sys.executable, "-m", "scheduler.cli", "chaos", "--houses", "2", "--kinds", "worker", "--points", "none", "--json",
)  # fmt: skip


def _nobody(*_: object) -> None:
    """Nobody watches."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A temporary directory with a short name: a vault's socket lies four levels below, and its path may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="houses-") as name:
        yield Path(name)


@pytest.fixture
def start(folder: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """`start("--kills", "9")` → the command, which puts everything below `folder`, as leader of a group of its own."""

    def begin(*words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*COMMAND, *words], cwd=ROOT, env={**os.environ, "TMPDIR": str(folder)}, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    return begin


def _at_work(folder: Path, least: int) -> list[int]:
    """Processes of so many houses, each with more than its launcher."""
    found = [[one.pid for one in marked(str(home))] for home in folder.glob("*/house-*")]
    return [pid for pids in found for pid in pids] if sum(len(pids) > 1 for pids in found) >= least else []


def test_limit_ends_the_blows_and_every_house_is_checked_all_the_same(
    folder: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    run = start("--kills", "2000", "--limit-s", "30")
    said, remarks = run.communicate(timeout=200)
    report: dict[str, Any] = json.loads(said)["kills"]
    assert run.returncode == 0 and report["is_passed"] and report["findings"] == [], (report["findings"], remarks)
    assert report["stopped_at_limit"] and 0 < report["kills"] < report["kills_asked"] == 2000
    assert [(row["seed"], row["kills_asked"], row["is_ended"]) for row in report["houses"]] == [(1, 1000, True), (2, 1000, True)]
    assert all(row["checks"] >= 1 and row["acknowledged"] for row in report["houses"])
    assert report["kills"] == sum(row["kills"] for row in report["houses"]) == report["kills_by_kind"]["worker"]
    assert list(folder.iterdir()) == [], "a run that passed leaves nothing"


def test_interrupt_ends_all_houses_and_leaves_no_process(
    folder: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    run = start("--kills", "2000")
    pids = until(lambda: _at_work(folder, 2), "two houses at work")
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert run.returncode == 130
    until(lambda: not [pid for pid in pids if Path(f"/proc/{pid}/cmdline").is_file()], "the end of all processes", 20)
    assert _at_work(folder, 0) == [] and list(folder.iterdir()) == []


def _launchers(home: Path) -> list[int]:
    return [one.pid for one in marked(str(home)) if "scheduler.cli" in one.command]


def _writes_stacks(pid: int) -> bool:
    """It has a handler of SIGABRT: before, the signal ends it without a word."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGABRT - 1) & 1)


def test_house_that_stands_still_is_ended_with_evidence_and_the_other_one_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(houses, "STILL_S", 20.0)
    monkeypatch.setattr(houses, "GIVE_UP_S", 30.0)
    options = ChaosOptions(kills=4, kinds=(Kind.WORKER,), points=())
    second = folder / "house-2"

    def kill_late(house: Any) -> None:
        """A slow machine: all others of the house are dead long before the process that strikes it."""
        time.sleep(2.0)
        kill(house)

    kill = houses._House.kill
    monkeypatch.setattr(houses._House, "kill", kill_late)

    def stop_the_launcher() -> None:
        pids = until(lambda: [pid for pid in _launchers(second) if _writes_stacks(pid)], "its launcher")
        os.kill(pids[0], signal.SIGSTOP)

    thread = threading.Thread(target=stop_the_launcher)
    thread.start()
    report = houses.run_houses(options, 2, folder, _nobody)
    thread.join()
    assert not report["is_passed"] and report["kills_by_kind"] == {"worker": 2}
    first, other = report["houses"]
    assert first["is_passed"] and first["blocks_checked"] and not first["stood_still"]
    assert not other["is_ended"] and "after blow 0 of 5 (starting)" in other["stood_still"][0], report["findings"]
    (finding,) = report["findings"]
    said = re.match(r"house 2 \(seed 2\): stands still: after blow 0 of 5 \(starting\), silent for (\d+) s;", finding)
    assert said and int(said[1]) >= houses.GIVE_UP_S, finding
    assert "in until" in (second / "stacks.txt").read_text(), "where the striking process stood"
    assert "scheduler.cli serve" in (second / "processes.txt").read_text()
    assert "most recent call first" in (second / "serve.log").read_text(), "where the launcher stood"
    assert marked(str(second)) == []
