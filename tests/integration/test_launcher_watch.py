"""Signs of life of the launcher's children, with real pipes, sockets and processes; and sensors of a probe that was handed in."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from scheduler.child import Child
from scheduler.child_watch import BeatPipe, HttpProbe, StoppedLook, children, is_stopped
from scheduler.device_sensors import DeviceSensors
from scheduler.launcher import Launcher
from scheduler.probe import Probe, Reading
from scheduler.serve_options import ServeOptions
from scheduler.spawn import start_time


def test_beat_is_heard_once_it_comes_and_forgotten_with_its_process() -> None:
    pipe = BeatPipe()
    pipe.look(1.0)
    assert pipe.heard_at is None
    os.write(pipe.write_end, b"..")
    pipe.look(2.0)
    pipe.look(3.0)
    assert pipe.heard_at == 2.0
    os.write(pipe.write_end, b".")
    pipe.restart()
    pipe.look(4.0)
    assert pipe.heard_at is None
    pipe.close()


def test_child_that_was_well_is_started_at_once_after_a_kill_and_any_other_waits() -> None:
    pipe = BeatPipe()
    child = Child("daemon", [], is_up=lambda: True, watch=pipe, failures=3)
    assert (child.wait_after_s(-signal.SIGKILL), child.wait_after_s(71)) == (0.4, 0.4), "never heard of"
    os.write(pipe.write_end, b".")
    pipe.look(1.0)
    assert (child.wait_after_s(-signal.SIGKILL), child.wait_after_s(71)) == (0.0, 0.4)
    child.failures = 6
    assert child.wait_after_s(-signal.SIGSEGV) == 3.2
    pipe.close()


def test_web_that_takes_calls_but_says_nothing_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        probe = HttpProbe("127.0.0.1", server.getsockname()[1], "/healthz")
        probe.look(10.0)
        probe.look(10.5)
        assert probe.heard_at is None, "the kernel took the call, nobody answered"
        called, _ = server.accept()
        with called:
            called.sendall(b"HTTP/1.1 503 Busy\r\n\r\n")
            while probe.heard_at is None:
                probe.look(10.6)
        assert probe.heard_at == 10.6, "any answer is a sign of life"
        probe.close()


def test_stopped_process_is_known_from_a_sleeping_one() -> None:
    sleeper = subprocess.Popen(["sleep", "60"])
    look = StoppedLook()
    try:
        assert look.seconds(sleeper.pid, 1.0) == 0.0
        os.kill(sleeper.pid, signal.SIGSTOP)
        os.waitpid(sleeper.pid, os.WUNTRACED)
        assert look.seconds(sleeper.pid, 2.0) == 0.0
        assert look.seconds(sleeper.pid, 5.0) == 3.0
        os.kill(sleeper.pid, signal.SIGCONT)
        os.waitpid(sleeper.pid, os.WCONTINUED)
        assert look.seconds(sleeper.pid, 6.0) == 0.0
    finally:
        sleeper.kill()
        sleeper.wait()


def test_web_whose_worker_stands_stopped_before_its_first_answer_is_replaced(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "run").mkdir()
    launcher = Launcher(ServeOptions(data_dir=tmp_path, port=1), said.append)
    web = launcher._children[2]
    web.failures, web.started_at = 3, 100.0
    forks = "import os, sys; os.fork() or os.execvp('sleep', ['sleep', '60']); sys.stdin.read()"
    web.process = subprocess.Popen([sys.executable, "-c", forks], stdin=subprocess.PIPE, start_new_session=True)
    try:
        while not (forked := children(web.process.pid)):
            assert web.process.poll() is None
        os.kill(forked[0], signal.SIGSTOP)
        while not is_stopped(forked[0]):
            assert web.process.poll() is None
        for now in (101.0, 110.0):
            launcher._listen(web, now, False)
            assert web.process.poll() is None and not said
        launcher._listen(web, 112.0, False)
        web.process.communicate()
        assert web.process.returncode == -signal.SIGKILL
        assert said == ["web is stopped for 11.0 s; replacing it"]
        deadline = time.monotonic() + 60.0
        while start_time(forked[0]) is not None:
            assert time.monotonic() < deadline, "its whole group is killed"
            time.sleep(0.01)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(web.process.pid, signal.SIGKILL)


def test_readings_reach_the_slots_that_they_concern(tmp_path: Path) -> None:
    body: dict[str, Any] = {
        "memory_used_bytes": 97, "memory_total_bytes": 100, "utilization_percent": 50.0, "temperature_c": 91,
        "throttle_reasons": 0x40, "xids": [79], "is_lost": True,
    }  # fmt: skip
    status = SimpleNamespace(limit_bytes=10, files={"a": 4}, contexts={"j": 3}, conditions={"c": 9})
    sensors = DeviceSensors(tmp_path, 2, lambda: status, probe=Probe())  # type: ignore[arg-type, return-value]
    readings = [Reading("gpu1", body), Reading("gpu0", {"throttle_reasons": 4}), Reading("cpu", {})]
    gpu, cool, box, vault, disk = sensors.heard(5.0, readings)
    assert (gpu.slots, gpu.memory_ratio, gpu.is_throttled, gpu.xids, gpu.is_lost) == ((1,), 0.97, True, (79,), True)  # type: ignore[attr-defined]
    assert (cool.slots, cool.is_throttled, cool.memory_ratio) == ((0,), False, None)  # type: ignore[attr-defined]
    assert (box.slots, box.is_throttled) == ((0, 1), None), "a missing sensor says nothing"  # type: ignore[attr-defined]
    assert (vault.device, vault.memory_ratio) == ("vault:0", 0.7)  # type: ignore[attr-defined]
    assert disk.free_bytes > 0  # type: ignore[attr-defined]


def test_vault_that_stands_stopped_before_it_takes_any_call_is_replaced_by_the_launcher(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "run").mkdir()
    launcher = Launcher(ServeOptions(data_dir=tmp_path), said.append)
    vault = launcher._children[0]
    vault.process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    os.kill(vault.process.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, vault.process.pid, os.WSTOPPED | os.WNOWAIT)
    for now in (100.0, 109.0):
        launcher._listen(vault, now, False)
        assert vault.process.poll() is None and not said
    launcher._listen(vault, 111.0, False)
    vault.process.communicate()
    assert vault.process.returncode == -signal.SIGKILL and "vault is stopped" in said[0]


def test_daemon_that_beats_but_never_becomes_ready_is_replaced_and_the_next_gets_more_time(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "run").mkdir()
    launcher = Launcher(ServeOptions(data_dir=tmp_path), said.append)
    daemon = launcher._children[1]
    for failures, patience_s in ((0, 30.0), (1, 60.0), (9, 480.0)):
        said.clear()
        daemon.failures, daemon.started_at = failures, 1000.0
        daemon.process = subprocess.Popen(["sleep", "60"], start_new_session=True)
        for now in (1001.0, 1000.0 + patience_s):
            os.write(launcher._beats.write_end, b".")
            launcher._listen(daemon, now, False)
            assert daemon.process.poll() is None and not said
        os.write(launcher._beats.write_end, b".")
        launcher._listen(daemon, 1000.5 + patience_s, True)
        assert not said, "the launcher itself stood still: nobody is to blame"
        launcher._listen(daemon, 1000.5 + patience_s, False)
        assert daemon.process.wait() == -signal.SIGKILL
        assert said == [f"daemon is not ready for {patience_s + 0.5:.1f} s; replacing it"]
    assert daemon.spare is not None and daemon.spare.process is None, "no spare is made of what never was ready"


def test_daemon_that_became_ready_in_time_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    launcher = Launcher(ServeOptions(data_dir=tmp_path), print)
    daemon = launcher._children[1]
    daemon.spare, daemon.started_at = None, 1000.0
    daemon.process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    os.write(launcher._beats.write_end, b".r")
    for now in (1001.0, 2000.0):
        os.write(launcher._beats.write_end, b".")
        launcher._listen(daemon, now, False)
    assert daemon.process.poll() is None
    daemon.process.kill()
    daemon.process.wait()
