"""Devices: the last readings, their history as a chart, and the published dashboard keys."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from dashboard import charts, role_charts
from dashboard.api.body import read_query
from dashboard.api.models import HistoryQuery, RoleChart, SpanQuery
from dashboard.api.openapi import documented
from dashboard.api.roles import found_role
from dashboard.api.watermark import promised_ahead
from dashboard.auth import require
from dashboard.context import house
from dashboard.overview import dashboard_json, device_cards
from dashboard.span import Span, span_of
from scheduler.clock import house_now

blueprint = Blueprint("devices", __name__)


@blueprint.get("/devices")
@documented("devices")
@require("see")
def get_devices() -> Response:
    """Every device with its last reading and when it was read; None is a sensor that does not exist."""
    beat = house().pulse.last
    return jsonify({
        "devices": device_cards(house().reads), "vault": beat.status.get("vault"), "disk": beat.status.get("disk"),
        "as_of": beat.at or None,
    })  # fmt: skip


@blueprint.get("/devices/chart")
@documented("devices", query=HistoryQuery)
@require("see")
def chart() -> Response:
    """Memory and load of every device, as data for a chart; at most about 720 points per line."""
    query, now = read_query(HistoryQuery), house_now()
    span = span_of(query, "1h", now) if query.hours is None else Span(now - query.hours * 3600, now, "hours", "")
    return jsonify(charts.devices(house().reads, span, promised_ahead(span)))


@blueprint.get("/roles/chart")
@documented("roles", query=SpanQuery)
@require("see")
def spread_chart() -> Response:
    """Seconds per block of every role, as data for a chart of boxes."""
    roles = [row["name"] for row in house().reads.store.roles()]
    return jsonify(role_charts.spread(house().reads, roles, span_of(read_query(SpanQuery), "7d")))


@blueprint.get("/roles/<name>/chart")
@documented("roles", query=RoleChart)
@require("see")
def role_chart(name: str) -> Response:
    """A role's history as data for a chart: seconds per block, seconds per video, memory peaks, or switches."""
    query = read_query(RoleChart)
    found_role(name)
    return jsonify(role_charts.CHARTS[query.kind](house().reads, name, span_of(query)))


@blueprint.get("/dashboard.json")
@documented("dashboard")
@require("see")
def published_keys() -> Response:
    """active_roles, gpu_utilization, queue_length, recent_errors (5)."""
    return jsonify(dashboard_json(house().pulse.last, house().reads))
