"""The queue: what waits, why, and stopping or starting it."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from dashboard import i18n
from dashboard.api.body import read_body, read_query
from dashboard.api.models import DrainSlot, NoBody, PauseQueue, QueueFilters
from dashboard.api.openapi import documented
from dashboard.auth import require
from dashboard.context import house
from dashboard.door import door
from dashboard.estimates import with_estimates
from dashboard.overview import trouble_of
from scheduler.clock import house_now
from scheduler.core.job import JobState

SHOWN = 200
blueprint = Blueprint("queue", __name__)


@blueprint.get("/queue")
@documented("queue", query=QueueFilters)
@require("see")
def get_queue() -> Response:
    """What runs now and what waits, best first, each with its place and why. `as_of`: when the daemon last answered.

    With `user` only that person's; `queue.length` counts all that wait.
    """
    reads, beat, user = house().reads, house().pulse.last, read_query(QueueFilters).user
    waiting, total = reads.waiting(SHOWN, user=user)
    length = total if user is None else reads.store.state_counts()[JobState.QUEUED]
    running = [job for job in reads.running() if user in (None, job["user"])]
    status = beat.status
    return jsonify({
        **status, "queue": {**(status.get("queue") or {}), "length": length}, "running": with_estimates(running),
        "jobs": with_estimates(waiting),
        "as_of": beat.at or None, "now": house_now(),
        "trouble": None if (trouble := trouble_of(beat)) is None else i18n.both(trouble),
    })  # fmt: skip


@blueprint.post("/queue/pause")
@documented("queue", body=PauseQueue)
@require("run_queue")
def pause_queue() -> Response:
    """Start nothing new; what runs goes on. `for_s`: it ends by itself."""
    wish = read_body(PauseQueue)
    return jsonify(door().pause_queue(wish.reason, wish.for_s))


@blueprint.post("/queue/resume")
@documented("queue", body=NoBody)
@require("run_queue")
def resume_queue() -> Response:
    """Start jobs again."""
    read_body(NoBody)
    return jsonify(door().resume_queue())


@blueprint.post("/slots/<int:slot>/drain")
@documented("queue", body=DrainSlot)
@require("run_queue")
def drain_slot(slot: int) -> Response:
    """Give a slot no new work, or work again; what runs there goes on to its end. `for`: why it takes none."""
    wish = read_body(DrainSlot)
    return jsonify(door().drain_slot(slot, wish.is_drained))
