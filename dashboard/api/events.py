"""`GET /events`: the audit as server-sent events, resumable by Last-Event-ID (the audit seq). No words of people in it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from flask import Blueprint, Response, request, stream_with_context

from dashboard.api.body import read_query
from dashboard.api.models import EventsQuery
from dashboard.api.openapi import documented
from dashboard.auth import require
from dashboard.cards import event_card
from dashboard.context import House, house
from dashboard.errors import WebError

KEEP_ALIVE_S = 15.0
BATCH = 200
blueprint = Blueprint("events", __name__)


@blueprint.get("/events")
@documented("events", query=EventsQuery)
@require("see")
def events() -> Response:
    """Events as they happen. With `Last-Event-ID` what was missed comes first; without it only what is new."""
    about = read_query(EventsQuery).object
    given = request.headers.get("Last-Event-ID", "")
    if given and (not given.isascii() or not given.isdigit() or len(given) > 18):
        raise WebError(422, "bad_field", "Last-Event-ID is an audit seq.", field="Last-Event-ID")
    since = int(given) if given else house().reads.last_seq()
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Response(stream_with_context(_lines(house(), since, about)), mimetype="text/event-stream", headers=headers)


def _lines(home: House, since: int, about: str | None) -> Iterator[str]:
    yield f"retry: 2000\n: from {since}\n\n"
    while not home.feed.is_stopped:
        rows = home.reads.audit_after(since, BATCH)
        for row in rows:
            since = row["seq"]
            if about is None or row["object"] == about:
                data = json.dumps(event_card(row), ensure_ascii=False, separators=(",", ":"))
                yield f"id: {since}\nevent: {row['action']}\ndata: {data}\n\n"
        if len(rows) < BATCH and not home.feed.wait_after(since, KEEP_ALIVE_S):
            yield ": still here\n\n"  # also finds out that the reader has gone
