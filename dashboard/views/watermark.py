"""The watermark: the morning check with its sign-off, and memory and load over a span of time."""

from __future__ import annotations

from flask import Blueprint, render_template

from dashboard import morning, timeline
from dashboard.api.body import read_query
from dashboard.api.models import WatermarkQuery
from dashboard.auth import caller, require
from dashboard.context import house
from dashboard.first_look import first_beat
from dashboard.formats import zone_of
from dashboard.heat import heat
from dashboard.overview import device_cards
from dashboard.span import picker, span_of
from scheduler.clock import house_now

blueprint = Blueprint("watermark_pages", __name__, url_prefix="/dashboard/watermark")


@blueprint.get("/")
@require("see")
def page() -> str:
    """Figures of the last day, charts of the chosen span."""
    query, home = read_query(WatermarkQuery), house()
    span = span_of(query)
    day = morning.today(home.settings.zone)
    beat = first_beat()
    found = morning.report(home.reads, beat, zone=home.settings.zone)
    signed = morning.sign_offs(home.reads)
    devices = [row["device"] for row in found.devices] or [device["device"] for device in device_cards(home.reads)]
    return render_template(
        "watermark/page.html",
        nav="watermark",
        day=day,
        report=found,
        signed=signed,
        may_sign=caller().may("sign_watermark"),
        span=picker(span),
        devices=devices,
        by=query.by,
        heat=heat(home.reads, zone_of(home.settings.zone)),
        promised=timeline.promised(home.board.told(), len(beat.slots), house_now()),
        history_since=home.reads.store.first_minute(),
    )
