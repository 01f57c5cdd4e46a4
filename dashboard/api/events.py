"""`GET /events`: the audit as server-sent events, resumable by Last-Event-ID (the audit seq). No words of people in it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from flask import Blueprint, Response, request, stream_with_context

from dashboard.api.body import read_query
from dashboard.api.models import EventsQuery
from dashboard.api.openapi import documented
from dashboard.auth import caller, has_ended, require
from dashboard.cards import event_card
from dashboard.context import House, house
from dashboard.errors import WebError
from dashboard.principal import Principal

KEEP_ALIVE_S = 15.0
LOOK_S = 1.0  # a stream ends at most this long after its sign-in does, or with the next sign of life
BATCH = 200
blueprint = Blueprint("events", __name__)


@blueprint.get("/events")
@documented("events", query=EventsQuery)
@require("see")
def events() -> Response:
    """Events as they happen. With `Last-Event-ID` what was missed comes first; without it only what is new.

    An id beyond the newest seq gets one `reset` event. The stream ends with the sign-in or token that opened it."""
    about = read_query(EventsQuery).object
    given = request.headers.get("Last-Event-ID", "")
    if given and (not given.isascii() or not given.isdigit() or len(given) > 18):
        raise WebError(422, "bad_field", "Last-Event-ID is an audit seq.", field="Last-Event-ID")
    newest = house().reads.last_seq()
    since = int(given) if given else newest
    leave = house().streams.take(caller().seat_key(request.remote_addr or ""))
    if leave is None:
        raise WebError.no_seat("too_many_streams", "Too many event streams are open.", "Close one, or try again later.")
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    lines = _lines(house(), min(since, newest), about, caller(), is_reset=since > newest)
    response = Response(stream_with_context(lines), mimetype="text/event-stream", headers=headers)
    response.call_on_close(leave)
    return response


def _lines(home: House, since: int, about: str | None, principal: Principal, is_reset: bool = False) -> Iterator[str]:
    yield f"retry: 2000\n: from {since}\n\n"
    if is_reset:  # the reader saw a later seq than there is: another store is behind this address now
        yield f'id: {since}\nevent: reset\ndata: {{"seq":{since}}}\n\n'
    looked_at = time.monotonic()
    while not home.feed.is_stopped:
        if time.monotonic() - looked_at >= LOOK_S:
            looked_at = time.monotonic()
            if has_ended(principal):
                return
        rows = home.reads.audit_after(since, BATCH)
        for row in rows:
            since = row["seq"]
            if about is None or row["object"] == about:
                data = json.dumps(event_card(row), ensure_ascii=False, separators=(",", ":"))
                yield f"id: {since}\nevent: {row['action']}\ndata: {data}\n\n"
        if len(rows) < BATCH and not home.feed.wait_after(since, KEEP_ALIVE_S):
            yield ": still here\n\n"  # also finds out that the reader has gone
