"""`/live.json`: the same messages as the socket, for browsers whose socket is down."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from pydantic import Field

from dashboard.api.body import Query, read_query
from dashboard.api.models import MAX_SEQ
from dashboard.auth import caller, require
from dashboard.context import house
from dashboard.overview import pulse_message
from dashboard.sockets import MAX_ROOMS, may_enter

blueprint = Blueprint("live", __name__)


class LiveQuery(Query):
    """Rooms with commas between them, and the seq seen last (-1: only begin)."""

    rooms: str = Field(default="", max_length=2000)
    since: int = Field(default=-1, ge=-1, le=MAX_SEQ)


@blueprint.get("/live.json")
@require("see")
def poll() -> Response:
    """What happened since, and the pulse of now."""
    query, home = read_query(LiveQuery), house()
    rooms = [room for room in query.rooms.split(",")[:MAX_ROOMS] if may_enter(caller(), room)]
    pulse = pulse_message(home.pulse.last, home.reads, home.settings)  # its seq first: what comes after it, the next poll tells
    messages = home.feed.replay(query.since, rooms) if query.since >= 0 else []
    expected = home.board.by_room(rooms) if query.since >= 0 else {}
    messages += [("expect", {"jobs": [{"id": job_id, **shown} for job_id, shown in jobs.items()]}) for jobs in expected.values()]
    return jsonify({"pulse": pulse, "messages": messages, "seq": pulse["seq"]})
