"""What every request must pass before a route sees it, and the headers every answer carries."""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

from flask import Flask, Response, g, request

from dashboard.errors import WebError
from dashboard.settings import MAX_BODY_BYTES

CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
FORM_PATHS = frozenset({"/login", "/logout", "/language"})  # the only addresses that take a plain form
# The only address that takes files; it bounds them itself. A page of another site cannot send this type unasked.
UPLOAD_PATH, UPLOAD_TYPE = "/uploads", "application/octet-stream"
_DRAIN_LIMIT = 32 << 20  # a body beyond the limit is read away up to here, so that the sender gets to hear the answer

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "media-src 'self' blob:; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def check_request() -> None:
    """Refuse a foreign Origin, a body that is too large, a change that is not JSON. Raises WebError."""
    g.request_id = uuid.uuid4().hex[:16]
    origin = request.headers.get("Origin")
    is_foreign_change = request.method in CHANGING and request.headers.get("Sec-Fetch-Site") == "cross-site"
    if is_foreign_change or (origin and _host_of(origin) != request.host):
        raise WebError(403, "foreign_origin", "A page of another site may not act here.", hint="Open the dashboard itself.")
    if request.method not in CHANGING:
        return
    is_upload = request.path == UPLOAD_PATH and request.method == "POST" and request.mimetype == UPLOAD_TYPE
    if is_upload:
        return
    if (request.content_length or 0) > MAX_BODY_BYTES:
        _drain()
        raise WebError(413, "too_large", "The body is larger than 1 MB.", hint="Send less.")
    has_body = bool(request.content_length) or "chunked" in request.headers.get("Transfer-Encoding", "").lower()
    if request.path not in FORM_PATHS and has_body and request.mimetype != "application/json":
        raise WebError(415, "not_json", "A change is sent as JSON.", hint="Set Content-Type: application/json.")


def _host_of(origin: str) -> str:
    """Host and port of an Origin; empty for what is no address."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return ""
    return parts.netloc if parts.scheme in ("http", "https") else ""


def _drain() -> None:
    left = min(request.content_length or 0, _DRAIN_LIMIT)
    stream = request.environ["wsgi.input"]
    while left > 0:
        chunk = stream.read(min(left, 1 << 16))
        if not chunk:
            return
        left -= len(chunk)


def add_headers(response: Response) -> Response:
    """Security headers; nothing personal is kept by a cache."""
    headers = response.headers
    present = {name.lower() for name, _ in headers}  # asked once: each `setdefault` looks through all of them
    for name, value in HEADERS.items():
        if name.lower() not in present:
            headers.add(name, value)
    if "cache-control" not in present and not request.path.startswith(("/static/", "/vendor/", "/assets/")):
        headers.add("Cache-Control", "no-store")
    if request_id := g.get("request_id"):
        response.headers["X-Request-Id"] = request_id
    return response


def register_guard(app: Flask) -> None:
    """Put the checks before, and the headers after, every route."""
    app.before_request(check_request)
    app.after_request(add_headers)
