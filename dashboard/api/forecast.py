"""Forecasts: what would happen if a job were submitted, and how true forecasts were."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from dashboard import honesty
from dashboard.api.body import read_body, read_query
from dashboard.api.models import AnyObject, SpanQuery, SubmitJob
from dashboard.api.openapi import documented
from dashboard.auth import caller, demand, require
from dashboard.context import house
from dashboard.estimates import forecasts
from dashboard.span import span_of
from dashboard.uploads import check_own

blueprint = Blueprint("forecast", __name__)


@blueprint.post("/jobs/what-if")
@documented("jobs", body=SubmitJob, gives=AnyObject)
@require("submit")
def what_if() -> Response:
    """What if this were submitted: the decision, when it would start and end, whom it would delay. Nothing is changed."""
    wish = read_body(SubmitJob)
    user = wish.user or caller().name
    if user != caller().name:
        demand("submit_for_others")
    check_own(wish.model_dump())
    return jsonify(forecasts().what_if({**wish.model_dump(exclude_none=True), "user": user}))


@blueprint.get("/forecast/score")
@documented("jobs")
@require("see")
def score() -> Response:
    """How true the forecasts of finish were: the latest 500 jobs, and week by week."""
    return jsonify(forecasts().score())


@blueprint.get("/forecast/chart")
@documented("jobs", query=SpanQuery)
@require("see")
def chart() -> Response:
    """First forecasts against what happened, one dot per finished job, as data for a chart."""
    return jsonify(honesty.chart(house().reads, span_of(read_query(SpanQuery), "7d")))
