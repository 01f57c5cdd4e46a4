"""People and API tokens: sign-in links, groups, tokens. A link and a token are shown once, to whoever made them."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify
from pydantic import Field

from dashboard.api.body import Body, read_body
from dashboard.api.models import AnyObject
from dashboard.api.openapi import documented
from dashboard.auth import require
from dashboard.context import house
from dashboard.door import door

blueprint = Blueprint("people_api", __name__)


class SignInLink(Body):
    """A one-time link for a person; who is not known yet is created, who is gets this group and team."""

    user: str = Field(min_length=1, max_length=64)
    group: str = Field(min_length=1, max_length=64, description="user, planner, coordinator, designer, ops or admin")
    team: str = Field(default="", max_length=64)


class NewToken(Body):
    """An API token for a person."""

    user: str = Field(min_length=1, max_length=64)
    label: str = Field(min_length=1, max_length=64, description="what it is for; tokens are revoked by it")


class RevokeToken(Body):
    """Which tokens end: all that carry this label."""

    label: str = Field(min_length=1, max_length=64)


class EndSessions(Body):
    """Whose sign-ins end, everywhere."""

    user: str = Field(min_length=1, max_length=64)


def people_rows() -> list[dict[str, Any]]:
    """Everybody by name: name, group, team, created_at, password_at, tokens (label, created_at, revoked_at)."""
    store = house().reads.store
    passwords = store.password_holders()
    shown = (("name", "group", "team", "created_at"), ("label", "created_at", "revoked_at"))
    return [
        {
            **{field: user[field] for field in shown[0]}, "password_at": passwords.get(user["name"]),
            "tokens": [{field: token[field] for field in shown[1]} for token in store.tokens_of(user["name"])],
        }
        for user in store.users()
    ]


@blueprint.get("/people")
@documented("people", gives=AnyObject)
@require("manage_people")
def get_people() -> Response:
    """Everybody who may sign in, with the labels of their tokens; no secret is ever given out again."""
    return jsonify({"people": people_rows()})


@blueprint.post("/people/links")
@documented("people", body=SignInLink)
@require("manage_people")
def make_link() -> Response:
    """A sign-in link: `path` works once, within a day."""
    wish = read_body(SignInLink)
    answer = door().create_login_link(wish.user, wish.group, wish.team)
    return jsonify({"user": wish.user, "path": answer["path"], "expires_at": answer["expires_at"]})


@blueprint.post("/people/tokens")
@documented("people", body=NewToken)
@require("manage_people")
def make_token() -> Response:
    """An API token: `token` is shown this once."""
    wish = read_body(NewToken)
    return jsonify(door().create_token(wish.user, wish.label))


@blueprint.post("/people/tokens/revoke")
@documented("people", body=RevokeToken)
@require("manage_people")
def revoke() -> Response:
    """Make every token with this label worthless, at once."""
    return jsonify(door().revoke_token(read_body(RevokeToken).label))


@blueprint.post("/people/sessions/end")
@documented("people", body=EndSessions)
@require("manage_people")
def end_sessions() -> Response:
    """Sign a person out everywhere; open pages follow within a second."""
    return jsonify(door().end_sessions(read_body(EndSessions).user))
