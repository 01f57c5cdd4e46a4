"""Signing in with a one-time link or with name and password, signing out, choosing the language.

The link's page asks before it uses the link up.
"""

from __future__ import annotations

import secrets
from typing import Any

from flask import Blueprint, Response, current_app, g, make_response, redirect, render_template, request, session
from werkzeug.wrappers import Response as BaseResponse

from dashboard import i18n
from dashboard.auth import caller, check_csrf, csrf_token
from dashboard.context import house
from dashboard.errors import WebError, retry_header, wants_page
from dashboard.i18n import LANGUAGES
from dashboard.sign_in import forgive
from dashboard.sign_in import sign_in as check_password
from dashboard.sockets import end_sockets
from scheduler.client import Scheduler
from scheduler.clock import house_now

blueprint = Blueprint("login", __name__)


@blueprint.get("/login")
def page() -> str:
    """Name and password; with `?token=…` a button that signs in: previews of the link do not press it."""
    return _form(token=request.args.get("token", ""), after=request.args.get("next", ""))


def _form(*, token: str = "", after: str = "", user: str = "", problem: str = "") -> str:
    return render_template(
        "login.html", token=token, next=_own_path(after), csrf=csrf_token(), user=user[:64], problem=problem
    )


@blueprint.post("/login")
def sign_in() -> BaseResponse:
    """Begin a session: with a link, which is used up, or with name and password."""
    address = request.remote_addr or ""
    if "token" in request.form and not house().logins.take(address):  # passwords have limits of their own: `sign_in.Waits`
        raise WebError(429, "too_many", "Too many sign-ins from this address.", hint="Wait a minute.", retry_after_s=60)
    check_csrf(request.form.get("csrf", ""))
    door = house().scheduler.as_actor("local", address, g.get("request_id", ""))
    if "token" in request.form:
        person = _by_link(door)
    else:
        try:
            person = _by_password(door, address)
        except WebError as error:
            if not wants_page():
                raise
            return _told(error)
    session.clear()
    session.update(
        user=person["user"], version=person["session_version"], at=house_now(), csrf=secrets.token_urlsafe(18)
    )
    if "token" in request.form and house().reads.store.password(person["user"]) is None:
        session["offers_password"] = True  # said once, on the next page
    return redirect(_own_path(request.form.get("next", "")) or "/dashboard", 303)


def _by_link(door: Scheduler) -> dict[str, Any]:
    token = request.form.get("token", "")
    if not 0 < len(token) <= 200:
        raise WebError(422, "bad_link", "The link is not complete.", field="token", hint="Copy the whole link.")
    person = door.redeem_login_link(token)
    forgive(house().waits, person["user"])
    return person


def _by_password(door: Scheduler, address: str) -> dict[str, Any]:
    name, password = request.form.get("user", "").strip(), request.form.get("password", "")
    if not name or not password:
        raise WebError(422, "bad_request", "Name and password are needed.", field="password" if name else "user")
    return check_password(house().reads, door, house().waits, name, password, address)


def _told(error: WebError) -> BaseResponse:
    """The form again, with what was wrong in the reader's language; the password is not in it."""
    key = f"login.problem.{error.code}"
    words = i18n.words(key, seconds=error.data.get("retry_after_s", 0)) if key in i18n.catalogue("en") else error.message
    response = make_response(_form(after=request.form.get("next", ""), user=request.form.get("user", ""), problem=words))
    response.status_code = error.status
    response.headers.extend(retry_header(error))
    return response


@blueprint.post("/logout")
def sign_out() -> BaseResponse:
    """End every session of this person, here and elsewhere, and their open sockets with them."""
    principal = caller()
    if principal.kind != "session":
        return redirect("/login", 303)
    check_csrf(request.form.get("csrf", ""))
    house().scheduler.as_actor(principal.actor, request.remote_addr or "", "").end_sessions(principal.name)
    session.clear()
    end_sockets(
        current_app.extensions["socketio"],
        current_app.extensions["greenroom.listeners"],
        lambda other: other.name == principal.name,
    )
    return redirect("/login", 303)


@blueprint.post("/language")
def choose_language() -> Response:
    """Keep the chosen language in a cookie and go back."""
    response = make_response(redirect(_own_path(request.form.get("next", "")) or "/dashboard", 303))
    language = request.form.get("language", "")
    if language in LANGUAGES:
        response.set_cookie(
            "language", language, max_age=31_536_000, samesite="Strict", secure=house().settings.is_https, httponly=True
        )
    return response


def _own_path(target: str) -> str:
    """The target if it is a path of ours, else nothing: nobody is sent elsewhere after signing in."""
    is_ours = target.startswith("/") and not target.startswith("//") and "\\" not in target
    return target if is_ours and target.isprintable() else ""
