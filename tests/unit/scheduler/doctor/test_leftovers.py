"""What a dead run left, and a house that runs: real locks, sockets and processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scheduler.doctor import leftovers
from scheduler.doctor.finding import Finding
from scheduler.doctor.house import house_findings, running_house
from scheduler.doctor.leftovers import leftover_findings
from scheduler.doctor.ports import web_port_findings
from scheduler.doctor.subject import Subject
from scheduler.plan.check import ATTENTION, BAD, OK
from scheduler.preflight import lock_data_dir, prepare_data_dir
from scheduler.spawn import ProcessList

LISTENS = """
import socket, sys, time
sock = socket.socket(); sock.bind(("127.0.0.1", 0)); sock.listen()
print(sock.getsockname()[1], flush=True)
time.sleep(600)
"""


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    prepare_data_dir(tmp_path / "var")
    return Subject(data_dir=tmp_path / "var")


@contextmanager
def orphan(subject: Subject) -> Iterator[tuple[int, int]]:
    """(pid, the port at which it listens) of a process that a house entered in its list and left behind."""
    with subprocess.Popen([sys.executable, "-c", LISTENS], stdout=subprocess.PIPE, text=True, start_new_session=True) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        ProcessList(subject.run_dir).enter("web", child.pid)
        yield child.pid, port
        child.kill()


def names(subject: Subject) -> dict[str, Finding]:
    return {one.name: one for one in leftover_findings(subject)}


def test_house_is_new_at_rest_or_running_and_looking_takes_no_lock(subject: Subject) -> None:
    def state() -> object:
        (one,) = house_findings(subject)
        return one.data["state"]

    assert state() == "new"
    with lock_data_dir(subject.data_dir):
        assert state() == "running"
    (subject.data_dir / "greenroom.db").touch()
    assert state() == "at rest", "the lock's file stays after a clean stop, and means nothing"
    with lock_data_dir(subject.data_dir):
        assert running_house(subject) is not None
    (subject.data_dir / "greenroom.db").unlink()
    os.mkfifo(subject.data_dir / "greenroom.db")
    (one,) = house_findings(subject)
    assert one.state == BAD and "greenroom.db is no regular file" in one.text and one.remedy and one.remedy_zh


def test_nothing_is_left_where_nothing_was(subject: Subject) -> None:
    assert [(one.name, one.state) for one in leftover_findings(subject)] == [("leftovers", OK)]


def test_process_of_a_dead_run_is_named_with_what_it_holds(subject: Subject) -> None:
    with orphan(subject) as (pid, port):
        one = names(subject)["leftovers processes"]
        assert one.state == ATTENTION and one.data["processes"] == [{"kind": "web", "pid": pid}]
        assert f"kill {pid}" in one.remedy
        (one,) = web_port_findings(Subject(data_dir=subject.data_dir, port=port))
        assert one.state == ATTENTION and "dead run" in one.text
    assert "leftovers processes" not in names(subject)


def test_socket_without_a_listener_address_and_half_files_are_told(subject: Subject) -> None:
    with socket.socket(socket.AF_UNIX) as sock, socket.socket(socket.AF_UNIX) as alive:
        sock.bind(str(subject.run_dir / "vault-0.sock"))
        alive.bind(str(subject.run_dir / "other.sock"))
        alive.listen()
        sock.close()
        (subject.run_dir / "web.url").write_text("http://127.0.0.1:8000")
        (subject.data_dir / "jobs" / "a").mkdir()
        for name in ("jobs/a/000.mp4.part", "assets/x.part", "audit.head.part", "models/whole.safetensors"):
            (subject.data_dir / name).write_bytes(b"x" * 100)
        told = names(subject)
    assert {one.state for one in told.values()} == {ATTENTION} and all(one.remedy for one in told.values())
    assert told["leftovers sockets"].data == {"sockets": ["vault-0.sock"]}
    assert told["leftovers address"].data == {"url": "http://127.0.0.1:8000"}
    assert (told["leftovers files"].data["count"], told["leftovers files"].data["bytes"]) == (3, 300)


def test_what_a_running_house_has_open_is_no_leftover(subject: Subject) -> None:
    (subject.data_dir / "jobs" / "000.mp4.part").touch()
    with lock_data_dir(subject.data_dir):
        assert [(one.name, one.state) for one in leftover_findings(subject)] == [("leftovers", OK)]


def test_directory_with_more_files_than_are_looked_at_says_so(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "MOST_FILES", 3)
    for number in range(5):
        (subject.data_dir / f"{number}.part").touch()
    assert names(subject)["leftovers files"].data["is_all"] is False
