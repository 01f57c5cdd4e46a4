"""Is it up, and is it ready: ready means that blocks come out, not that HTTP answers."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from dashboard.api.openapi import documented
from dashboard.context import House, house
from dashboard.refusals import told
from scheduler.client import SchedulerError
from scheduler.clock import house_now

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@documented("health")
def healthz() -> Response:
    """The web answers."""
    return jsonify({"status": "ok"})


@blueprint.get("/readyz")
@documented("health")
def readyz() -> tuple[Response, int]:
    """200 when a running job made a block lately, or the house is idle with a ready worker; else 503 with the reason."""
    is_ready, answer = readiness(house())
    return jsonify(answer), 200 if is_ready else 503


def readiness(home: House, now: float | None = None) -> tuple[bool, dict[str, Any]]:
    """(is it ready, why or why not)."""
    at = house_now() if now is None else now
    beat = home.pulse.last if home.pulse.last.age_s(at) < 2 else home.pulse.ask()
    if beat.age_s(at) > home.settings.stale_after_s:
        trouble = beat.trouble
        return _no("daemon_silent", trouble.message if trouble else "The scheduler daemon has not answered yet.")
    if trouble := (beat.status.get("daemon") or {}).get("trouble"):
        return _no(str(trouble.get("code", "trouble")), str(trouble.get("message", "The scheduler is in trouble.")))
    busy = [slot for slot in beat.slots if slot.get("state") == "busy"]
    if busy:
        return _by_blocks(home, at)
    if any(slot.get("state") == "ready" and not slot.get("drained") for slot in beat.slots):
        return True, {"status": "ready", "reason": "idle", "message": told("ready", "Idle, with a ready worker.")[0]}
    return _no("no_worker", "No worker is ready.")


def _by_blocks(home: House, at: float) -> tuple[bool, dict[str, Any]]:
    limit = home.settings.ready_block_s
    try:
        last = home.reads.store.last_block_at()
        started = [row["started_at"] or row["submitted_at"] for row in home.reads.store.running()]
    except SchedulerError as error:
        return _no(error.code, error.message)
    if not started:  # the job has ended since the daemon was asked: its slot has a worker that is ready
        return True, {"status": "ready", "reason": "idle", "message": told("ready", "Idle, with a ready worker.")[0]}
    age = at - max([last or 0.0, *started])
    if age <= limit:
        message = told("ready", f"The last sign of work is {age:.1f} s old.", problem="blocks", age=f"{age:.1f}")[0]
        return True, {"status": "ready", "reason": "blocks", "message": message}
    message = f"A job runs, but no block was finished in the last {age:.0f} s (limit {limit:.0f} s)."
    return _no("no_block", message, age=f"{age:.0f}", limit=f"{limit:.0f}")


def _no(code: str, message: str, **data: Any) -> tuple[bool, dict[str, Any]]:
    message, hint = told(code, message, hint="See the dashboard and role_scheduler status.", **data)
    body = {"code": code, "message": message, "field": None, "hint": hint}
    return False, {"status": "not_ready", "error": body}
