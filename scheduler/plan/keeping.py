"""Checks of plans and rehearsals that the daemon has made, and keeps: each report together with its audit row."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from scheduler.core.tags import Tag
from scheduler.errand import run_errand
from scheduler.ledger import Turn
from scheduler.plan.check import BAD, UNKNOWN

CHECK_TIMEOUT_S = 300.0
REHEARSAL_TIMEOUT_S = 1800.0
TROUBLES_NAMED = 20


async def run_check(data_dir: Path, text: str | None = None, kind: str = "yaml") -> dict[str, Any]:
    """The report of `--validate`, of this plan or (without one) of what is filed for today. Raises SchedulerError."""
    if text is None:
        return await run_errand(data_dir, CHECK_TIMEOUT_S, "--validate")
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=f".{kind}", dir=data_dir / "run") as file:
        file.write(text)
        file.flush()
        return await run_errand(data_dir, CHECK_TIMEOUT_S, "--validate", "--plan", file.name)


async def run_rehearsal(data_dir: Path, *words: str) -> dict[str, Any]:
    """The report of `--stress`, simulated. Raises SchedulerError."""
    return await run_errand(data_dir, REHEARSAL_TIMEOUT_S, "--stress", "--no-keep", *words)


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
