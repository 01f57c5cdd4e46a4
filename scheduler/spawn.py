"""Starting children so that none outlives its parent, and ending those that a dead run left behind.

Three lines of defence: the kernel kills a child when its parent ends (PR_SET_PDEATHSIG; it fires when the forking *thread*
ends, so spawn from the main thread only); a child exits on the end of its lifeline or control socket; the next boot kills
every recorded process whose pid, start time and boot id still match.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from scheduler.crash_points import SchedulerPoint, pass_by

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
END_S = 30.0  # killed processes may take so long to be gone: a loaded machine lets them die slowly
_libc = ctypes.CDLL(None, use_errno=True)
_log = logging.getLogger("greenroom.spawn")


def become_subreaper() -> None:
    """Grandchildren whose parent dies become ours, so that they can be reaped."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_orphans(own: set[int]) -> None:
    """Collect grandchildren that became ours when the daemon died; our own children are left to Popen."""
    while True:
        try:
            info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if info is None or info.si_pid in own:
            return
        with contextlib.suppress(ChildProcessError):
            os.waitpid(info.si_pid, os.WNOHANG)


def die_with(parent: int) -> None:
    """Ask the kernel to kill this process when its parent ends. Runs in the child, between fork and exec."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the kernel was asked
        os._exit(1)


def boot_id() -> str:
    """Identity of this boot of the machine: a pid means nothing after a reboot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_time(pid: int) -> int | None:
    """Clock ticks since boot at which the process started; None when it is gone (or only its corpse is left)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def parent_identity() -> str:
    """Who started this process; never the same for two parents, not even after a reboot."""
    parent = os.getppid()
    return f"{boot_id()} {parent} {start_time(parent)}"


@dataclass(frozen=True, kw_only=True)
class ProcessRecord:
    """Enough to recognise a process of ours again, and not to mistake another for it."""

    kind: str  # vault, daemon, spare (of the daemon), web, forecaster, worker
    pid: int
    start_time: int
    boot_id: str
    parent: int

    @property
    def is_alive(self) -> bool:
        """True while exactly this process runs."""
        return self.boot_id == boot_id() and start_time(self.pid) == self.start_time


class ProcessList:
    """`run/processes.jsonl`: appended at every start, swept at boot."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / "processes.jsonl"

    def add(self, record: ProcessRecord) -> None:
        """Remember a started process. One small append: several parents may write.

        A disk that refuses costs the third line of defence only, so the process is kept all the same.
        """
        try:
            with self._path.open("a") as file:
                file.write("\n" + json.dumps(asdict(record)) + "\n")  # a line that was torn before ends here
        except OSError as error:
            _log.warning("%s (process %d) is not in the list of processes: %s", record.kind, record.pid, error)

    def enter(self, kind: str, pid: int) -> None:
        """Remember a child of this process that runs; under the new kind where it is known already."""
        started = start_time(pid)
        if started is not None:
            self.add(ProcessRecord(kind=kind, pid=pid, start_time=started, boot_id=boot_id(), parent=os.getpid()))

    def alive(self) -> list[ProcessRecord]:
        """Recorded processes that still run, each as it was recorded last."""
        try:
            lines = self._path.read_text().splitlines()
        except FileNotFoundError:
            return []
        records: dict[int, ProcessRecord] = {}
        for line in lines:
            try:
                record = ProcessRecord(**json.loads(line))
            except (ValueError, TypeError):
                continue  # a torn line of a process that died while writing: it started nothing after that
            if record.is_alive:
                records.pop(record.pid, None)
                records[record.pid] = record
        return list(records.values())

    def sweep(self) -> list[ProcessRecord]:
        """Kill everything recorded that still runs, wait until it is gone, start a new list. Returns what was killed."""
        leftovers = self.alive()
        for record in leftovers:
            _kill_one(record)
        deadline = time.monotonic() + END_S
        while any(record.is_alive for record in leftovers) and time.monotonic() < deadline:
            time.sleep(0.02)
        still = [record for record in leftovers if record.is_alive]
        assert not still, f"these processes cannot be killed: {still}"
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:  # a list of the dead does no harm
            _log.warning("%s cannot be removed: %s", self._path, error)
        return leftovers


def _kill_one(record: ProcessRecord) -> None:
    try:
        descriptor = os.pidfd_open(record.pid)
    except ProcessLookupError:
        return
    try:
        if record.is_alive:  # checked again under the descriptor: the pid can no longer be another's
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        os.close(descriptor)


def spawn(
    kind: str,
    argv: Sequence[str],
    processes: ProcessList | None,
    *,
    pass_fds: Sequence[int] = (),
    env: Mapping[str, str] | None = None,
    log: IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child that dies with this process. Call from the main thread. `processes`: None for one that lives for seconds,
    which the list would only grow by."""
    assert threading.current_thread() is threading.main_thread(), "the child would die with this thread"
    child = subprocess.Popen(
        list(argv),
        pass_fds=tuple(pass_fds),
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=log if log is not None else subprocess.DEVNULL,
        stderr=log if log is not None else None,
        preexec_fn=functools.partial(die_with, os.getpid()),
        start_new_session=True,  # Ctrl-C reaches the launcher alone, which then ends the others in order
    )
    if processes is None:
        return child
    is_worker = kind == "worker"
    pass_by(SchedulerPoint.DAEMON_BEFORE_RECORD if is_worker else SchedulerPoint.LAUNCHER_BEFORE_RECORD)
    processes.enter(kind, child.pid)
    return child


def python_module(module: str, *arguments: str) -> list[str]:
    """Command line of one of our own programs, in this interpreter."""
    return [sys.executable, "-m", module, *arguments]
