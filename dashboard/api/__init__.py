"""The control API: one module per noun, documented at /openapi."""

from __future__ import annotations

from flask import Flask

from dashboard.api import (
    audit,
    batch,
    bulk,
    devices,
    events,
    faults,
    forecast,
    health,
    jobs,
    metrics,
    passwords,
    people,
    plans,
    queue,
    reviews,
    roles,
    sessions,
    switch,
    uploads,
    video,
    watermark,
)
from dashboard.api.openapi import blueprint as openapi
from dashboard.api.openapi import spec

MODULES = (
    jobs, batch, sessions, uploads, bulk, video, reviews, roles, switch, queue, devices, faults, forecast, plans, people,
    passwords, watermark, audit, events, metrics, health,
)  # fmt: skip


def register_api(app: Flask) -> None:
    """Register every route of the API."""
    for module in MODULES:
        app.register_blueprint(module.blueprint)
    app.register_blueprint(openapi)
    spec.app = app
