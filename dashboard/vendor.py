"""The two front-end libraries. Both come from the build; without it plotly comes from its Python package and pages poll."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from flask import Blueprint, Response, send_file

from dashboard.errors import WebError

VENDOR = Path(__file__).resolve().parent / "static" / "vendor"
SOCKETIO, PLOTLY = VENDOR / "socket.io.min.js", VENDOR / "plotly-cartesian.min.js"
_CACHE_S = 86_400
blueprint = Blueprint("vendor", __name__, url_prefix="/vendor")


def has_socketio() -> bool:
    """Was the socket library built in?"""
    return SOCKETIO.is_file()


def plotly_file() -> Path | None:
    """The chart library: the small build, else the file inside the installed Python package (which is not imported)."""
    if PLOTLY.is_file():
        return PLOTLY
    spec = importlib.util.find_spec("plotly")
    for place in (spec.submodule_search_locations or []) if spec else []:
        candidate = Path(place) / "package_data" / "plotly.min.js"
        if candidate.is_file():
            return candidate
    return None


@blueprint.get("/plotly.js")
def plotly() -> Response:
    """The chart library."""
    return _send(plotly_file())


@blueprint.get("/socket.io.js")
def socketio() -> Response:
    """The socket library."""
    return _send(SOCKETIO if has_socketio() else None)


def _send(path: Path | None) -> Response:
    if path is None:
        raise WebError(404, "not_found", "This library was not built in.", hint="make install fetches it.")
    return send_file(path, mimetype="text/javascript", conditional=True, max_age=_CACHE_S)
