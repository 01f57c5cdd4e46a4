"""One piece of work in a process of its own, at the lowest priority, bounded in time: what it said, and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scheduler.spawn import spawn

LOWEST = 19
LOOK_S = 0.1
DEATH_S = 5.0  # a killed process is gone by then, unless the kernel holds it
MAX_SAID_BYTES = 64 << 10
_SINGLE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Ended:
    """The exit status (negative: the signal) and the end of what it wrote, output and errors in one."""

    status: int
    said: str

    @property
    def last_line(self) -> str:
        """The last line that is not empty; "" where there is none."""
        return next((line.strip() for line in reversed(self.said.splitlines()) if line.strip()), "")


async def played(kind: str, command: Sequence[str], timeout_s: float) -> Ended | None:
    """Run a command to its end; None where it took longer than it may, and was ended.

    Call on the main thread's loop (the process ends with it). Cancelled, it ends the process. OSError where the machine
    starts no process.
    """
    with os.fdopen(os.memfd_create(kind), "w+b") as said:
        child = spawn(kind, command, None, env=_SINGLE, log=said)
        give_way(child.pid)
        try:
            async with asyncio.timeout(timeout_s):
                while child.poll() is None:
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            return None
        finally:
            await _end(child)
        said.seek(max(0, said.seek(0, os.SEEK_END) - MAX_SAID_BYTES))
        return Ended(child.returncode, said.read().decode(errors="replace"))


def give_way(pid: int) -> None:
    """Everybody else first: below all processes, and its session below all sessions where the kernel weighs those."""
    with contextlib.suppress(ProcessLookupError):
        os.setpriority(os.PRIO_PROCESS, pid, LOWEST)
    with contextlib.suppress(OSError):  # a kernel that does not weigh sessions
        Path(f"/proc/{pid}/autogroup").write_text(str(LOWEST), encoding="ascii")


async def _end(child: subprocess.Popen[bytes]) -> None:
    """Nothing of it stays, whyever nobody waits for it any more."""
    if child.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    for _ in range(int(DEATH_S / LOOK_S)):
        if child.poll() is not None:
            return
        await asyncio.sleep(LOOK_S)
