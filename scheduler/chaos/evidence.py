"""What is kept of a house that stands still, and its end: nothing here waits for anybody of it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from scheduler.chaos.census import Resident, marked, open_files, resident
from scheduler.child_watch import children
from scheduler.spawn import start_time

STACKS = "stacks.txt"  # of the process that strikes the house, by SIGUSR1
PROCESSES = "processes.txt"
STACK_S = 2.0  # for one process to write where it stands
GONE_S = 10.0  # from SIGKILL to being gone
_PROC = Path("/proc")


def take(home: Path, striker: int, why: str) -> None:
    """Stacks of the striking process, and a line for each process of the house. Nobody is hurt.

    FileNotFoundError before the process can take the signal, which would end it.
    """
    stacks = home / STACKS
    known, deadline = stacks.stat().st_size, time.monotonic() + STACK_S
    with contextlib.suppress(ProcessLookupError):
        os.kill(striker, signal.SIGUSR1)
        while stacks.stat().st_size == known and time.monotonic() < deadline:
            time.sleep(0.01)
    pids = [striker, *children(striker)]  # a child that was forked and never became a launcher has no mark yet
    pids += [one.pid for one in marked(str(home)) if one.pid not in pids]
    with (home / PROCESSES).open("a", encoding="utf-8") as file:
        file.write(f"{time.strftime('%H:%M:%S')} {why}\n")
        file.writelines(_line(pid) for pid in pids)


def ask_for_stacks(home: Path, striker: int) -> None:
    """Each process of the house writes the stacks of its threads into its log (PYTHONFAULTHANDLER) and ends by that.

    All are stopped first, and children go before their parents: so nobody is replaced, or dies of its parent's death. The
    striking process is stopped before them and stays so: it would take these deaths for findings of its own.
    """
    _stop(striker)
    everybody = sorted(marked(str(home)), key=lambda one: one.start_time, reverse=True)
    _send(everybody, signal.SIGSTOP)
    for one in everybody:
        _send([one], signal.SIGABRT)
        _send([one], signal.SIGCONT)
        _wait_until_gone([one], STACK_S)


def end(home: Path) -> list[str]:
    """Kill every process of the house; findings: those that are still there."""
    deadline = time.monotonic() + GONE_S
    while left := marked(str(home)):
        if time.monotonic() > deadline:
            return [f"process {one.pid} cannot be killed: {one.command[:120]}" for one in left]
        _send(left, signal.SIGKILL)
        _wait_until_gone(left, 0.5)
    return []


def _stop(pid: int) -> None:
    """Return when it runs no more; a process in an uninterruptible wait of the kernel gets `STACK_S`."""
    deadline = time.monotonic() + STACK_S
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        os.kill(pid, signal.SIGSTOP)
        while _state(pid) not in "TZX" and time.monotonic() < deadline:
            time.sleep(0.01)


def _state(pid: int) -> str:
    return (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]


def _send(processes: Iterable[Resident], number: signal.Signals) -> None:
    for one in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.pid, number)


def _wait_until_gone(processes: Iterable[Resident], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while any(start_time(one.pid) == one.start_time for one in processes) and time.monotonic() < deadline:
        time.sleep(0.01)


def _line(pid: int) -> str:
    """Number, parent, state, where in the kernel, descriptors, command."""
    one = resident(pid)
    if one is None:
        return f"{pid} is gone\n"
    parts = {"wchan": "", "syscall": "", "stack": "", "stat": ""}
    for name in parts:
        with contextlib.suppress(OSError):  # some are root's to read
            parts[name] = " ".join((_PROC / str(pid) / name).read_text(encoding="utf-8", errors="replace").split())
    state, parent = [*parts["stat"].rpartition(")")[2].split(), "?", "?"][:2]
    return (
        f"{pid} of {parent} {state} wchan={parts['wchan']} syscall={parts['syscall']} files={len(open_files(pid))}"
        f" {one.command[:200]} stack={parts['stack']}\n"
    )
