"""The door: requests and answers over a real Unix socket."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from scheduler import transport
from scheduler.client import DaemonUnreachable, Scheduler, SchedulerError
from scheduler.commands.diagnoses import DIAGNOSIS_TIMEOUT_S
from scheduler.door import Actor, pack, socket_path
from scheduler.door_server import DoorServer
from scheduler.transport import DEFAULT_TIMEOUT_S, _patience


async def answer(command: str, actor: Actor, args: dict[str, Any]) -> dict[str, Any]:
    """A daemon's handler that repeats what it was asked, or refuses."""
    if command == "cancel_job":
        raise SchedulerError(404, "unknown_job", "There is no job 'j1'.", field="id", hint="See the list.", story=["a"])
    if command == "pause_job":
        raise RuntimeError("broken inside")
    if command == "diagnose":
        await asyncio.sleep(0.6)
    return {"command": command, "actor": actor.name, "args": args}


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A data directory whose door is served by a thread."""
    (tmp_path / "run").mkdir()
    loop = asyncio.new_event_loop()
    server = DoorServer(socket_path(tmp_path), answer)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(60)
    yield tmp_path
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_request_carries_actor_and_arguments(data_dir: Path) -> None:
    door = Scheduler(data_dir).as_actor("user:planner", "127.0.0.1", "r1")
    result = door.request_role("market-team", "presenter", priority=100)
    assert result["actor"] == "user:planner"
    assert result["args"]["request"] == {"user": "market-team", "role": "presenter", "priority": 100}


def test_refusal_arrives_whole(data_dir: Path) -> None:
    with pytest.raises(SchedulerError) as caught:
        Scheduler(data_dir).cancel("j1")
    error = caught.value
    assert (error.status, error.code, error.field, error.hint) == (404, "unknown_job", "id", "See the list.")
    assert error.data == {"story": ["a"]}


def test_broken_handler_answers_500_and_the_door_stays_open(data_dir: Path) -> None:
    door = Scheduler(data_dir)
    with pytest.raises(SchedulerError) as caught:
        door.pause("j1")
    assert caught.value.status == 500
    assert "broken inside" not in caught.value.message
    assert door.status()["command"] == "status"


def test_diagnosis_is_waited_for_longer_than_the_daemon_looks(data_dir: Path) -> None:
    assert Scheduler(data_dir, patience_s=0.2).diagnose("j1")["command"] == "diagnose"
    assert _patience("diagnose", DEFAULT_TIMEOUT_S) > DIAGNOSIS_TIMEOUT_S, "its refusal is heard, too"


def test_missing_daemon_is_named_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(DaemonUnreachable) as caught:
        Scheduler(tmp_path).status()
    assert "role_scheduler serve" in caught.value.hint


@pytest.mark.parametrize(
    ("ask", "advice"),
    [(lambda door: door.status(), ": try again."), (lambda door: door.again("j1"), "role_scheduler jobs before you ask again")],
)
def test_silent_daemon_is_asked_once_and_the_hint_says_whether_asking_again_is_safe(
    tmp_path: Path, ask: Callable[[Scheduler], Any], advice: str
) -> None:
    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(str(socket_path(tmp_path)))
        daemon.listen()
        with pytest.raises(DaemonUnreachable, match=r"no answer in 0\.2 s") as caught:
            ask(Scheduler(tmp_path, patience_s=0.2))
        daemon.settimeout(60.0)
        daemon.accept()[0].close()
        daemon.setblocking(False)
        with pytest.raises(BlockingIOError):
            daemon.accept()
    assert "hangs" in caught.value.hint and advice in caught.value.hint


def test_daemon_at_whose_door_too_many_wait_is_busy_not_absent(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as daemon, ExitStack() as waiting:
        daemon.bind(str(socket_path(tmp_path)))
        daemon.listen(1)
        for _ in range(2):
            waiting.enter_context(socket.socket(socket.AF_UNIX)).connect(str(socket_path(tmp_path)))
        with pytest.raises(DaemonUnreachable, match="busy") as caught:
            Scheduler(tmp_path, patience_s=5.0).status()
    assert "too much to do" in caught.value.hint


@pytest.mark.parametrize("is_slow_to_die", [False, True])
def test_daemon_that_is_replaced_answers_what_the_one_before_was_asked(
    is_slow_to_die: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "REPLACED_S", 60.0)
    path = socket_path(tmp_path)
    path.parent.mkdir()
    answered: list[dict[str, Any]] = []
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))
        old.listen()
        asking = threading.Thread(target=lambda: answered.append(Scheduler(tmp_path).status()))
        asking.start()
        line, _ = old.accept()
        line.recv(4096)
        if is_slow_to_die:  # its lines are closed, and its door still is not: who knocks there is thrown out, too
            line.close()
            line, _ = old.accept()
        path.unlink()
        line.close()  # it was killed; for a moment there is nobody
    with socket.socket(socket.AF_UNIX) as new:
        new.bind(str(path))
        new.listen()
        line, _ = new.accept()
        with line:
            line.recv(4096)
            line.sendall(pack({"id": 1, "ok": True, "result": {"pid": 2}}))
            asking.join(60.0)
    assert answered == [{"pid": 2}]


@pytest.mark.parametrize("garbage", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x04nope", b"\x00\x00\x00\x02[]", b"\x00\x00"])
def test_garbage_closes_only_its_own_connection(data_dir: Path, garbage: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(socket_path(data_dir)))
        sock.sendall(garbage)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(10) == b""
    assert Scheduler(data_dir).status()["command"] == "status"


def test_request_of_another_release_is_refused_with_a_reason(data_dir: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(socket_path(data_dir)))
        sock.sendall(pack({"v": 99, "id": 1, "command": "status", "actor": {"name": "local"}, "args": {}}))
        assert b"wrong_version" in sock.recv(4096)


def test_only_the_owner_may_open_the_door(data_dir: Path) -> None:
    assert socket_path(data_dir).stat().st_mode & 0o077 == 0


def test_threads_share_one_client(data_dir: Path) -> None:
    door, seen = Scheduler(data_dir), list[str]()

    def ask(number: int) -> None:
        seen.extend(door.as_actor(f"user:{number}").status()["actor"] for _ in range(20))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == sorted(f"user:{n}" for n in range(4) for _ in range(20))
