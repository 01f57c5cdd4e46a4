"""The user view: my jobs, my place, why I wait."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template
from werkzeug.wrappers import Response

from dashboard.auth import caller, demand, require
from dashboard.context import house
from dashboard.expectations import with_expectations
from scheduler.forecasts import Foretold

OPEN_SHOWN, DONE_SHOWN = 100, 20
blueprint = Blueprint("people", __name__)


@blueprint.get("/me")
@require("see")
def me() -> Response:
    """The caller's own page."""
    return redirect(f"/users/{caller().name}", 303)  # type: ignore[return-value]


@blueprint.get("/users/<name>")
@require("see")
def page(name: str) -> str:
    """A person's jobs: what waits and why, what runs, what is done."""
    if name != caller().name:
        demand("see_people")
    reads = house().reads
    waiting, mine = reads.waiting(OPEN_SHOWN, user=name)
    running = [job for job in reads.running() if job["user"] == name]
    told = house().board.told() if running or waiting else Foretold()
    done = reads.store.jobs(user=name, state="final", sort="-finished", per_page=DONE_SHOWN)
    return render_template(
        "people/page.html",
        nav="me" if name == caller().name else "",
        name=name,
        is_me=name == caller().name,
        running=with_expectations(running, told),
        waiting=with_expectations(waiting, told),
        mine=mine + len(running),
        total=len(reads.store.waiting_jobs()) + len(reads.running()),
        done=done,
    )
