"""Devices: the last readings, their history as a chart, and the published dashboard keys."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from dashboard import charts
from dashboard.api.body import read_query
from dashboard.api.models import HistoryQuery
from dashboard.api.openapi import documented
from dashboard.auth import require
from dashboard.context import house
from dashboard.overview import dashboard_json, device_cards

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
    return jsonify(charts.devices(house().reads, read_query(HistoryQuery).hours * 3600))


@blueprint.get("/roles/<name>/chart")
@documented("roles")
@require("see")
def role_chart(name: str) -> Response:
    """Seconds per block of a role's newest blocks, as data for a chart."""
    return jsonify(charts.block_times(house().reads, name))


@blueprint.get("/dashboard.json")
@documented("dashboard")
@require("see")
def published_keys() -> Response:
    """active_roles, gpu_utilization, queue_length, recent_errors (5)."""
    return jsonify(dashboard_json(house().pulse.last, house().reads))
