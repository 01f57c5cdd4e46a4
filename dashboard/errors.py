"""One shape for every error: `{"error": {"code", "message", "field", "hint"}}`, or a page for a person's browser."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, jsonify, render_template, request
from werkzeug.exceptions import HTTPException

from dashboard.refusals import told
from scheduler.client import SchedulerError

_log = logging.getLogger("greenroom.web")

# What we say where the library would speak in its own words: status → (code, message, hint).
_PLAIN: dict[int, tuple[str, str, str]] = {
    400: ("bad_request", "The request could not be understood.", ""),
    404: ("not_found", "There is nothing at this address.", "GET /openapi lists the addresses."),
    405: ("method_not_allowed", "This address does not take that method.", "GET /openapi lists what it takes."),
    413: ("too_large", "The body is larger than 1 MB.", "Send less."),
    415: ("not_json", "A change is sent as JSON.", "Set Content-Type: application/json."),
    416: ("bad_range", "The asked range lies outside the file.", "Ask without Range for the whole file."),
    429: ("too_many", "Too many requests from you at once.", "Wait a second, then go on more slowly."),
}

RETRY_AFTER_S = 5
_KEPT = frozenset({"Allow", "Content-Range", "Retry-After"})  # headers of the library's errors that say something


class WebError(SchedulerError):
    """A request refused by the web itself, before it reached the scheduler."""

    @classmethod
    def no_seat(cls, code: str, message: str, hint: str) -> WebError:
        """503: as many as there may be at once are there already; it is worth another try soon."""
        return cls(503, code, message, hint=hint, retry_after_s=RETRY_AFTER_S)


def error_body(code: str, message: str, field: str | None = None, hint: str = "", **data: Any) -> dict[str, Any]:
    """The one shape."""
    return {"error": {"code": code, "message": message, "field": field, "hint": hint, **({"data": data} if data else {})}}


def wants_page() -> bool:
    """True when a person's browser asked: an error is then a page."""
    accepted = request.accept_mimetypes
    is_for_eyes = request.method in ("GET", "HEAD") or request.mimetype == "application/x-www-form-urlencoded"
    return is_for_eyes and accepted["text/html"] > accepted["application/json"]


def answer_error(
    status: int, code: str, message: str, field: str | None = None, hint: str = "", **data: Any
) -> tuple[str | Response, int]:
    """The error as a page or as JSON, in the reader's language; code, field and data are the same in every language."""
    message, hint = told(code, message, field, hint, **data)
    if wants_page():
        return render_template("error.html", status=status, code=code, message=message, hint=hint), status
    return jsonify(error_body(code, message, field, hint, **data)), status


def _known(error: SchedulerError) -> tuple[str | Response, int, dict[str, str]]:
    status = 503 if error.code == "no_store" else error.status  # the caller asked nothing wrong: the system is not up yet
    return (*answer_error(status, error.code, error.message, error.field, error.hint, **error.data), retry_header(error))


def retry_header(error: SchedulerError) -> dict[str, str]:
    """`Retry-After` where the error says when to try again."""
    seconds = error.data.get("retry_after_s")
    return {} if seconds is None else {"Retry-After": str(seconds)}


def _http(error: HTTPException) -> Any:
    status = error.code or 500
    if status < 400:
        return error
    fallback = (HTTPStatus(status).phrase.lower().replace(" ", "_").replace("-", "_"), HTTPStatus(status).phrase + ".", "")
    code, message, hint = _PLAIN.get(status, fallback)
    answer = answer_error(status, code, message, hint=hint)
    kept = {name: value for name, value in error.get_headers() if name in _KEPT}
    return (*answer, kept)


def _unexpected(error: Exception) -> tuple[str | Response, int]:
    _log.exception("request %s %s failed", request.method, request.path, exc_info=error)
    return answer_error(500, "internal_error", "The web failed at this request.", hint="The web's log has the details.")


def register_errors(app: Flask) -> None:
    """Every error of every route goes through here."""
    app.register_error_handler(SchedulerError, _known)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)
