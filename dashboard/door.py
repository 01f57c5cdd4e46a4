"""The way to the scheduler from a request: every wish goes in the caller's name."""

from __future__ import annotations

from flask import g, request

from dashboard.auth import caller
from dashboard.context import house
from scheduler.client import Scheduler


def door() -> Scheduler:
    """The scheduler, spoken to in the caller's name."""
    return house().scheduler.as_actor(caller().actor, request.remote_addr or "", g.get("request_id", ""))
