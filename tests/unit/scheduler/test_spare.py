"""A spare waits for its turn, goes on when it gets the word, and is replaced when it dies before. Real pipes and processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.launcher import Launcher
from scheduler.serve_options import ServeOptions
from scheduler.spare import Spare
from scheduler.spawn import ProcessList

WAITS = "import sys; from scheduler.spare import await_turn; await_turn(int(sys.argv[1])); sys.exit(7)"


class Rig:
    """A spare whose program ends with 7 when it gets its turn."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.started: list[subprocess.Popen[bytes]] = []
        self.is_refused = False
        self.spare = Spare(self.spawn, self.said.append)

    def spawn(self, turn: int) -> subprocess.Popen[bytes]:
        """Start one, if the machine lets us."""
        if self.is_refused:
            raise OSError(12, "Cannot allocate memory")
        self.started.append(subprocess.Popen([sys.executable, "-c", WAITS, str(turn)], pass_fds=(turn,)))
        return self.started[-1]


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.spare.end()
    for process in made.started:
        process.kill()
        process.wait()


def test_a_spare_goes_on_when_it_gets_the_word(rig: Rig) -> None:
    assert rig.spare.take() is None
    rig.spare.keep(0.0)
    rig.spare.keep(1.0)
    assert len(rig.started) == 1, "one is enough"
    taken = rig.spare.take()
    assert taken is not None and taken.wait() == 7
    rig.spare.keep(2.0)
    assert len(rig.started) == 2, "a new one stands behind it"


def test_a_spare_that_nobody_can_call_any_more_ends_by_itself(rig: Rig) -> None:
    rig.spare.keep(0.0)
    process = rig.started[0]
    rig.spare._drop()  # what the end of the launcher does
    assert process.wait() == 0


def test_a_spare_that_died_is_replaced_with_growing_pauses(rig: Rig) -> None:
    starts = []
    for quarter in range(40):
        rig.spare.keep(quarter / 4)
        if len(rig.started) > len(starts):
            starts.append(quarter / 4)
            rig.started[-1].kill()
            rig.started[-1].wait()
    assert starts == [0.0, 0.75, 2.0, 4.25, 8.5]
    assert rig.spare.take() is None


def test_a_stopped_spare_is_never_taken(rig: Rig) -> None:
    rig.spare.keep(0.0)
    process = rig.started[0]
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    assert rig.spare.take() is None
    assert process.poll() == -signal.SIGKILL


def test_a_machine_that_refuses_a_spare_is_asked_again_and_it_is_said_once(rig: Rig) -> None:
    rig.is_refused = True
    for second in range(3):
        rig.spare.keep(float(second))
    assert len(rig.said) == 1 and "Cannot allocate memory" in rig.said[0]
    rig.is_refused = False
    rig.spare.keep(60.0)
    assert len(rig.started) == 1


def test_a_daemon_that_is_killed_is_followed_by_its_spare(tmp_path: Path) -> None:
    for folder in ("run", "logs"):
        (tmp_path / folder).mkdir()
    launcher = Launcher(ServeOptions(data_dir=tmp_path), print)
    daemon = launcher._children[1]
    assert daemon.spare is not None
    daemon.argv = [sys.executable, "-c", WAITS.replace("argv[1]", "argv[2]")]
    daemon.process = subprocess.Popen(["sleep", "60"])
    os.write(launcher._beats.write_end, b".r")
    launcher._watch_one(daemon, 1.0, False)
    spare = daemon.spare.process
    assert spare is not None
    listed = ProcessList(tmp_path / "run")
    assert [record.kind for record in listed.alive()] == ["spare"]
    daemon.process.kill()
    daemon.process.wait()
    launcher._watch_one(daemon, 2.0, False)
    launcher._watch_one(daemon, 2.0, False)
    assert daemon.process is spare
    assert spare.wait() == 7
    assert '"kind": "daemon"' in (tmp_path / "run" / "processes.jsonl").read_text().splitlines()[-1]


def test_a_process_is_listed_as_what_it_was_entered_last(tmp_path: Path) -> None:
    processes = ProcessList(tmp_path)
    processes.enter("spare", os.getpid())
    processes.enter("daemon", os.getpid())
    assert [(record.kind, record.pid) for record in processes.alive()] == [("daemon", os.getpid())]
