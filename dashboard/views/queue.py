"""The queue over time: who ran, who runs, who comes when; and how true such expectations were."""

from __future__ import annotations

from flask import Blueprint, render_template

from dashboard import timeline
from dashboard.api.body import read_query
from dashboard.api.models import SpanQuery
from dashboard.auth import require
from dashboard.context import house
from dashboard.estimates import forecasts
from dashboard.expectations import with_expectations
from dashboard.first_look import first_beat
from dashboard.handovers import handovers, middle
from dashboard.refusals import told
from dashboard.span import picker, span_of
from scheduler.client import SchedulerError
from scheduler.clock import house_now

WAITING_READ, HANDOVERS = 200, 8
blueprint = Blueprint("queue_pages", __name__, url_prefix="/dashboard/queue")


@blueprint.get("/")
@require("see")
def page() -> str:
    """The time line; `#timeline` is fetched again when something moves."""
    reads, beat = house().reads, first_beat()
    waiting, total = reads.waiting(WAITING_READ)
    told = house().board.told()
    drawn = timeline.draw(reads, beat.slots, waiting, told)
    given = handovers(reads)
    states = {one["estimate_state"] for one in told.values() if not one.get("estimate")}
    return render_template(
        "queue/page.html",
        nav="queue",
        line=drawn,
        total=total,
        waiting={job["id"]: job for job in with_expectations(waiting[: timeline.MOST_WAITING], told)},
        unknown=("stale" if waiting and not told else next(iter(sorted(states)), "")) if waiting else "",
        promised=timeline.promised(told, len(beat.slots), house_now()),
        handovers=given[:HANDOVERS],
        stopped=[one.stopped_s for one in given if one.stopped_s is not None],
        started=[one.started_s for one in given if one.started_s is not None],
        middle=middle,
        span=picker(span_of(read_query(SpanQuery), "7d")),
    )


@blueprint.get("/honesty")
@require("see")
def honesty() -> str:
    """How true estimates were, week by week; a part that the page fetches, as the forecaster may take its time."""
    try:
        score, trouble = forecasts().score(), ""
    except SchedulerError as error:
        score, trouble = None, told(error.code, error.message, error.field, error.hint, **error.data)[0]
    return render_template("queue/honesty.html", score=score, trouble=trouble)
