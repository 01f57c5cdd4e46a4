"""One command of the command line, run for the daemon in a process of its own, so that no decision waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from scheduler.errors import SchedulerError


async def run_errand(data_dir: Path, timeout_s: float, *words: str) -> dict[str, Any]:
    """What `role_scheduler WORDS --json` answers for this data directory, whatever its exit code.

    Raises SchedulerError: what the command refused, or `check_timed_out`, `check_crashed`. Cancelled, it ends the process.
    """
    command = (sys.executable, "-m", "scheduler.cli", *words, "--json", "--data", str(data_dir))
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, stdin=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        async with asyncio.timeout(timeout_s):
            out, _ = await process.communicate()
    except TimeoutError as error:
        raise SchedulerError(504, "check_timed_out", f"{words[0]} took more than {timeout_s:g} s.") from error
    finally:
        if process.returncode is None:  # too late, or whoever waits was cancelled
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    try:
        answer: dict[str, Any] = json.loads(out)
    except ValueError as error:
        raise SchedulerError(500, "check_crashed", f"{words[0]} ended with {process.returncode} and no answer.") from error
    if "error" in answer:
        raise SchedulerError.from_json({"status": 422, **answer["error"]})
    return answer
