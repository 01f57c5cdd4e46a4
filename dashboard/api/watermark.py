"""The morning check as data, and its sign-off: once per day, by name, in the log."""

from __future__ import annotations

import threading
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify

from dashboard import ahead, charts, morning
from dashboard.api.body import read_body, read_query
from dashboard.api.models import DeviceChart, NoQuery, SignOff
from dashboard.api.openapi import documented
from dashboard.auth import require
from dashboard.context import house
from dashboard.door import door
from dashboard.errors import WebError
from dashboard.overview import device_cards
from dashboard.span import Span, span_of

blueprint = Blueprint("watermark", __name__)
_one_at_a_time = threading.Lock()  # two people who press at once: the second is told who was first


@blueprint.get("/watermark")
@documented("watermark", query=NoQuery)
@require("see")
def get_watermark() -> Response:
    """The last 24 hours: memory of every device, what went wrong, what needs somebody, and who signed it off today."""
    read_query(NoQuery)
    home = house()
    found = morning.report(home.reads, home.pulse.last, zone=home.settings.zone)
    day = morning.today(home.settings.zone)
    signed = _signed(morning.sign_offs(home.reads).get(day))
    return jsonify({**asdict(found), "verdict": found.verdict, "day": day, "signed": signed})


@blueprint.post("/watermark/sign-off")
@documented("watermark", body=SignOff)
@require("sign_watermark")
def sign_off() -> Response:
    """Sign today's check: the figures as they are now go into the log. 409 when somebody has done so today."""
    wish, home = read_body(SignOff), house()
    day = morning.today(home.settings.zone)
    with _one_at_a_time:
        if (earlier := morning.sign_offs(home.reads).get(day)) is not None:
            who = earlier["actor"].removeprefix("user:")
            message, hint = f"{who} has signed {day} off already.", "One sign-off per day is enough."
            raise WebError(409, "already_signed", message, hint=hint, who=who, day=str(day))
        found = morning.report(home.reads, home.pulse.ask(), zone=home.settings.zone)
        answer = door().record(morning.SIGNED, f"watermark:{day}", found.for_audit(wish.note))
    return jsonify({**answer, "day": day, "verdict": found.verdict})


@blueprint.get("/watermark/chart")
@documented("watermark", query=DeviceChart)
@require("see")
def memory_chart() -> Response:
    """Who held a device's memory over a span of time, as data for a stacked chart."""
    query = read_query(DeviceChart)
    span = span_of(query)
    return jsonify(charts.stack(house().reads, span, query.device, query.by, promised_ahead(span)))


def promised_ahead(span: Span) -> list[ahead.Promised]:
    """What of each device the half hour after a span is promised; nothing for a span of the past."""
    if not span.is_live:
        return []
    home = house()
    slots = home.pulse.last.slots or home.pulse.ask().slots
    jobs = {row["id"]: row for row in home.reads.store.open_memory()}
    return ahead.promised(device_cards(home.reads), home.board.told(), jobs, len(slots), span.until)


def _signed(row: dict[str, Any] | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {"by": row["actor"].removeprefix("user:"), "at": row["at_utc"], "note": row["body"].get("reason", "")}
