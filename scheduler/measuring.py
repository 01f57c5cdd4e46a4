"""One video measured in a process of its own: `python -m engine.media.quality`, at the lowest priority, bounded in time.

However that process ends, there is an answer: scores, or a code with a sentence.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from scheduler.spawn import python_module, spawn

KIND = "quality"
LOWEST = 19
LOOK_S = 0.1
DEATH_S = 5.0  # a killed process is gone by then, unless the kernel holds it
MAX_SAID_BYTES = 64 << 10
MAX_CHARS = 300
_SINGLE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Scored:
    """What was measured, by name of the measure; None: cannot be told."""

    scores: Mapping[str, float | None]


@dataclass(frozen=True)
class Unmeasured:
    """Why there are no scores. Codes: video_missing, unreadable, timed_out, killed, crashed."""

    code: str
    message: str


async def measured(video: Path, portrait: Path | None, timeout_s: float) -> Scored | Unmeasured:
    """Measure a video file; sharpness is held against `portrait` where there is one.

    Call on the main thread's loop (the process ends with it). Cancelled, it ends the process. OSError where the machine
    starts no process.
    """
    if not await asyncio.to_thread(video.is_file):
        return Unmeasured("video_missing", f"{video.name} is not there any more.")
    words = [str(video), *(("--portrait", str(portrait)) if portrait is not None else ())]
    with os.fdopen(os.memfd_create(KIND), "w+b") as said:
        child = spawn(KIND, python_module("engine.media.quality", *words), None, env=_SINGLE, log=said)
        give_way(child.pid)
        try:
            async with asyncio.timeout(timeout_s):
                while child.poll() is None:
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            return Unmeasured("timed_out", f"Measuring took more than {timeout_s:g} s.")
        finally:
            await _end(child)
        said.seek(max(0, said.seek(0, os.SEEK_END) - MAX_SAID_BYTES))
        text = said.read().decode(errors="replace").replace(f"{video.parent}{os.sep}", "")  # where it lies is nobody's business
        return _understood(child.returncode, text)


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


def _understood(code: int, said: str) -> Scored | Unmeasured:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = lines[-1][:MAX_CHARS] if lines else ""
    if code < 0:
        return Unmeasured("killed", f"The measuring process was ended by signal {-code}.")
    if code == 0 and (scores := _scores(last)) is not None:
        return Scored(scores)
    if code == 1 and last and "Traceback" not in said:
        return Unmeasured("unreadable", last)
    return Unmeasured("crashed", f"Measuring ended with {code}: {last or '–'}")


def _scores(line: str) -> dict[str, float | None] | None:
    """The program's answer; None for anything else."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    if not isinstance(found, dict) or "seconds" not in found:
        return None
    return {name: float(value) if isinstance(value, int | float) and isfinite(value) else None for name, value in found.items()}
