"""Checks, rehearsals and diagnoses that the daemon has made: each in a process of its own, so that no decision waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from scheduler.core.tags import Tag
from scheduler.errors import SchedulerError
from scheduler.ledger import Turn
from scheduler.plan.check import BAD, UNKNOWN

CHECK_TIMEOUT_S = 300.0
REHEARSAL_TIMEOUT_S = 1800.0
DIAGNOSIS_TIMEOUT_S = 50.0  # less than a client waits at the door
TROUBLES_NAMED = 20


async def run_check(data_dir: Path, text: str | None = None, kind: str = "yaml") -> dict[str, Any]:
    """The report of `--validate`, of this plan or (without one) of what is filed for today. Raises SchedulerError."""
    if text is None:
        return await _run(data_dir, CHECK_TIMEOUT_S, "--validate")
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=f".{kind}", dir=data_dir / "run") as file:
        file.write(text)
        file.flush()
        return await _run(data_dir, CHECK_TIMEOUT_S, "--validate", "--plan", file.name)


async def run_rehearsal(data_dir: Path, *words: str) -> dict[str, Any]:
    """The report of `--stress`, simulated. Raises SchedulerError."""
    return await _run(data_dir, REHEARSAL_TIMEOUT_S, "--stress", "--no-keep", *words)


async def run_diagnosis(data_dir: Path, job_id: str) -> dict[str, Any]:
    """What spoilt a job's video, as `diagnose` finds it. Raises SchedulerError."""
    return await _run(data_dir, DIAGNOSIS_TIMEOUT_S, "diagnose", job_id)


async def _run(data_dir: Path, timeout_s: float, *words: str) -> dict[str, Any]:
    command = (sys.executable, "-m", "scheduler.cli", *words, "--json", "--data", str(data_dir))
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, stdin=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        async with asyncio.timeout(timeout_s):
            out, _ = await process.communicate()
    except TimeoutError as error:
        raise SchedulerError(504, "check_timed_out", f"{words[0]} took more than {timeout_s:.0f} s.") from error
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


def keep_check(turn: Turn, report: dict[str, Any]) -> dict[str, Any]:
    """Store a check's report together with its audit row; the report with its number."""
    number = turn.store.insert_plan_check(report, turn.actor.name, turn.at)
    troubles = [check["name"] for check in report["checks"] if check["state"] in (BAD, UNKNOWN)]
    body = {
        "number": number, "verdict": report["verdict"], "exit_code": report["exit_code"],
        "plan_sha256": report["plan_sha256"], "troubles": troubles[:TROUBLES_NAMED],
    }  # fmt: skip
    turn.record(Tag.PLAN_CHECKED, f"plan:{report['day']}", body, "success" if report["exit_code"] in (0, 10) else "failure")
    return {**report, "number": number, "by": turn.actor.name}


def keep_rehearsal(turn: Turn, report: dict[str, Any]) -> dict[str, Any]:
    """Store a rehearsal's report together with its audit row; the report with its number."""
    number = turn.store.insert_rehearsal(report, turn.actor.name, turn.at)
    totals = {name: value for name, value in report["totals"].items() if not isinstance(value, dict | list)}
    turn.record(Tag.REHEARSAL_FINISHED, f"rehearsal:{number}", {"kind": report["kind"], "day": report["day"], **totals})
    return {**report, "number": number, "by": turn.actor.name}
