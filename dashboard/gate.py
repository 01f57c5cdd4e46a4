"""Before the sockets: who may open one, and how many there may be. Each open socket holds a thread for as long as it lives.

The socket library accepts a connection first and asks our `connect` handler later, when the thread is already taken; so
this stands in front of it, where a caller without sign-in, of a foreign page, or beyond the limit costs one short answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, jsonify

from dashboard.auth import caller, demand
from dashboard.context import house
from dashboard.errors import WebError, error_body, retry_header
from dashboard.guard import add_headers, check_request
from dashboard.refusals import told
from scheduler.client import SchedulerError

PREFIX = "/socket.io"
Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Gate:
    """A WSGI application around another; only requests for the sockets are looked at."""

    def __init__(self, app: Flask, inner: Wsgi) -> None:
        self._app, self._inner = app, inner

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Pass on, or answer with the one error shape."""
        if not environ.get("PATH_INFO", "").startswith(PREFIX):
            return self._inner(environ, start_response)
        with self._app.request_context(environ):
            try:
                check_request()
                demand("see")
                leave = house().sockets.take(caller().seat_key(environ.get("REMOTE_ADDR", "")))
                if leave is None:
                    hint = "Close some; pages go on by polling."
                    raise WebError.no_seat("too_many_sockets", "Too many live pages are open.", hint)
            except SchedulerError as error:
                message, hint = told(error.code, error.message, error.field, error.hint, **error.data)
                refusal = jsonify(error_body(error.code, message, error.field, hint))
                refusal.status_code = error.status
                refusal.headers.update(retry_header(error))
                return add_headers(refusal)(environ, start_response)
        try:
            return self._inner(environ, start_response)  # a WebSocket comes back when it is closed
        finally:
            leave()
