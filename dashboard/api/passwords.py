"""One's own password, and taking somebody's away."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request, session
from pydantic import Field

from dashboard import passwords
from dashboard.api.body import Body, read_body
from dashboard.api.openapi import documented
from dashboard.auth import caller, require
from dashboard.context import house
from dashboard.door import door
from dashboard.errors import WebError
from dashboard.sign_in import check_own

blueprint = Blueprint("passwords", __name__)


class SetPassword(Body):
    """A new password; who has one gives the old one, too."""

    new: str = Field(min_length=1, max_length=passwords.MOST, description="10 to 200 characters, more than the name")
    old: str = Field(default="", max_length=passwords.MOST + 1)


class ResetPassword(Body):
    """Whose password is taken away."""

    user: str = Field(min_length=1, max_length=64)


@blueprint.post("/password")
@documented("people", body=SetPassword)
@require("see")
def set_password() -> Response:
    """Set or change one's own password, from a signed-in browser only. A change ends all other sessions of the person."""
    wish, principal = read_body(SetPassword), caller()
    if principal.kind != "session":
        raise WebError(403, "not_signed_in", "A password is set by its owner, signed in with a browser.",
                       hint="Sign in with a link first.")  # fmt: skip
    password = passwords.checked(wish.new, principal.name)
    reads, replaces = house().reads, None
    if reads.store.password(principal.name) is not None:
        address = request.remote_addr or ""
        replaces = check_own(reads, door(), house().waits, principal.name, wish.old, address)["changed_at"]
    answer = door().set_password(principal.name, passwords.hashed(password), replaces)
    session["version"] = answer["session_version"]  # this browser stays signed in
    return jsonify({"user": principal.name, "is_first": answer["is_first"]})


@blueprint.post("/people/passwords/reset")
@documented("people", body=ResetPassword)
@require("manage_people")
def reset() -> Response:
    """Take a person's password away, sign them out everywhere and make a sign-in link: `path` works once, within a day."""
    answer = door().reset_password(read_body(ResetPassword).user)
    return jsonify({name: answer[name] for name in ("user", "had_password", "path", "expires_at")})
