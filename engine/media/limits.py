"""What a throw-away process may use, set before it touches a file from people: a bad one can only end its reader."""

from __future__ import annotations

import ctypes
import resource
import signal

PROBE_MEMORY_BYTES = 2**30
PROBE_CPU_S = 60
PROBE_WALL_S = 120
PROBE_FILE_BYTES = 2**20  # no more than the answer, should stdout be a file
PROBE_OPEN_FILES = 64
_PR_SET_PDEATHSIG = 1


def limit_probe() -> None:
    """Bounds this process for good: address space, CPU time, wall time, size of files, open files, no core dump."""
    _limit(resource.RLIMIT_AS, PROBE_MEMORY_BYTES)
    _limit(resource.RLIMIT_CPU, PROBE_CPU_S)
    _limit(resource.RLIMIT_FSIZE, PROBE_FILE_BYTES)
    _limit(resource.RLIMIT_NOFILE, PROBE_OPEN_FILES)
    limit_core()
    signal.alarm(PROBE_WALL_S)  # nobody catches it: it ends the process
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # nobody waits for an orphan's answer


def limit_core() -> None:
    """No core dump: it would hold what people brought."""
    _limit(resource.RLIMIT_CORE, 0)


def _limit(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))
