"""No child outlives its parent, and a sweep ends exactly the processes that were recorded."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scheduler.spawn import ProcessList, ProcessRecord, boot_id, spawn, start_time

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
PARENT = """
import sys
import threading
from pathlib import Path
from scheduler.spawn import ProcessList, spawn
child = spawn("worker", [sys.executable, "-c", "import time; time.sleep(60)"], ProcessList(Path(sys.argv[1])))
print(child.pid, flush=True)
child.wait()
"""


def wait_until_gone(pid: int) -> None:
    """Wait on the process itself, not on a clock."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], 60)[0], f"process {pid} still runs"
    finally:
        os.close(descriptor)


def test_child_dies_with_its_killed_parent(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert start_time(pid) is not None
        parent.kill()
    wait_until_gone(pid)
    assert ProcessList(tmp_path).alive() == []


def test_sweep_ends_what_a_dead_run_left_and_nothing_else(tmp_path: Path) -> None:
    processes = ProcessList(tmp_path)
    leftover = spawn("vault", SLEEP, processes)
    bystander = subprocess.Popen(SLEEP)
    try:
        started = start_time(bystander.pid)
        assert started is not None
        # The bystander got a recorded pid after its owner had gone: same pid, other start time.
        processes.add(ProcessRecord(kind="web", pid=bystander.pid, start_time=started - 1, boot_id=boot_id(), parent=1))
        # And a record of an earlier boot of the machine.
        processes.add(ProcessRecord(kind="web", pid=bystander.pid, start_time=started, boot_id="other", parent=1))
        assert [record.kind for record in processes.sweep()] == ["vault"]
        assert leftover.wait(60) == -signal.SIGKILL
        assert bystander.poll() is None
        assert processes.alive() == []
    finally:
        bystander.kill()
        bystander.wait()


def test_torn_line_of_a_dying_writer_is_passed_over(tmp_path: Path) -> None:
    processes = ProcessList(tmp_path)
    child = spawn("vault", SLEEP, processes)
    with (tmp_path / "processes.jsonl").open("a") as file:
        file.write('{"kind": "worker", "pi')
    assert [record.pid for record in processes.sweep()] == [child.pid]
    child.wait()


def test_spawning_from_another_thread_is_refused(tmp_path: Path) -> None:
    caught: list[BaseException] = []

    def try_it() -> None:
        with pytest.raises(AssertionError) as error:
            spawn("worker", SLEEP, ProcessList(tmp_path))
        caught.append(error.value)

    thread = threading.Thread(target=try_it)
    thread.start()
    thread.join()
    assert "die with this thread" in str(caught[0])
