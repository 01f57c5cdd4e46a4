"""Signing in with a one-time link, signing out, choosing the language. The link's page asks before it uses the link up."""

from __future__ import annotations

import secrets
import time

from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request, session
from werkzeug.wrappers import Response as BaseResponse

from dashboard.auth import caller, check_csrf, csrf_token
from dashboard.context import house
from dashboard.errors import WebError
from dashboard.i18n import LANGUAGES
from dashboard.sockets import end_sockets

blueprint = Blueprint("login", __name__)


@blueprint.get("/login")
def page() -> str:
    """With `?token=…` a button that signs in; previews of the link do not press it. Without: how to get a link."""
    return render_template(
        "login.html", token=request.args.get("token", ""), next=_own_path(request.args.get("next", "")), csrf=csrf_token()
    )


@blueprint.post("/login")
def sign_in() -> BaseResponse:
    """Use the link up and begin a session."""
    if not house().logins.take(request.remote_addr or ""):
        raise WebError(429, "too_many", "Too many sign-ins from this address.", hint="Wait a minute.")
    check_csrf(request.form.get("csrf", ""))
    token = request.form.get("token", "")
    if not 0 < len(token) <= 200:
        raise WebError(422, "bad_link", "The link is not complete.", field="token", hint="Copy the whole link.")
    door = house().scheduler.as_actor("local", request.remote_addr or "", "")
    person = door.redeem_login_link(token)
    session.clear()
    session.update(
        user=person["user"], version=person["session_version"], at=time.time(), csrf=secrets.token_urlsafe(18)
    )
    return redirect(_own_path(request.form.get("next", "")) or "/dashboard", 303)


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
