"""Sessions in signed cookies, as the library keeps them; a caller without one costs no signature and no look at its settings."""

from __future__ import annotations

from flask import Flask, Request, Response
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from itsdangerous import TimestampSigner, URLSafeTimedSerializer

from scheduler.clock import house_now


class HouseSigner(TimestampSigner):
    """Signs with the house's time: a cookie is neither old nor of a time to come because the machine's clock was set."""

    def get_timestamp(self) -> int:
        """Whole seconds since 1970."""
        return int(house_now())


class Cookies(SecureCookieSessionInterface):
    """Programs send a token, or nothing from this very machine: most requests that have to be quick bring no cookie."""

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """The library's, with another clock."""
        made = super().get_signing_serializer(app)
        if made is not None:
            made.signer = HouseSigner
        return made

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """What the cookie says; without one a session that is empty."""
        if self.get_cookie_name(app) not in request.cookies:
            return self.session_class()
        return super().open_session(app, request)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Set or remove the cookie; one that is empty and was so before needs neither."""
        if session or session.modified:
            super().save_session(app, session, response)
        elif session.accessed:
            response.vary.add("Cookie")
