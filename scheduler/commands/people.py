"""Commands about people: sign-in links, API tokens, sessions. Only hashes are stored; a token is shown once."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from scheduler.commands.arguments import Arguments
from scheduler.commands.house import Handler, House
from scheduler.door import Actor
from scheduler.errors import SchedulerError
from scheduler.ledger import Turn

LINK_LIFETIME_S = 24 * 3600.0
GROUPS = ("user", "planner", "coordinator", "designer", "ops", "admin")
_RECORDABLE = {
    "audit:exported", "audit:verified", "video:joined", "watermark:signed", "fault:muted", "fault:unmuted", "jobs:exported",
}  # fmt: skip


def token_hash(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


async def create_login_link(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """A one-time link for a person, who is created on first sight."""
    user, group, team = args.take("user", str), args.take("group", str), args.maybe("team", str) or ""
    args.done()
    _check_person(user, group)
    token = secrets.token_urlsafe(24)

    def act(turn: Turn) -> dict[str, Any]:
        expires_at = turn.at + LINK_LIFETIME_S
        turn.has_changed = True
        turn.store.put_user(user, group, team, turn.actor, turn.at)
        turn.store.insert_login_link(token_hash(token), user, expires_at, turn.actor, turn.at)
        return {"token": token, "path": f"/login?token={token}", "expires_at": expires_at}

    return await house.ledger.do(act, actor)


async def redeem_login_link(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """Use a link up. An unknown, used or expired one gets the same answer."""
    token = args.take("token", str)
    args.done()

    def act(turn: Turn) -> dict[str, Any]:
        name = turn.store.redeem_login_link(token_hash(token), turn.actor, turn.at)
        if name is None:
            raise SchedulerError(403, "link_not_valid", "This sign-in link is unknown, used or too old.",
                                 hint="Make a new one with: role_scheduler login-link.")  # fmt: skip
        user = turn.store.user(name)
        assert user is not None
        return {"user": name, "group": user["group"], "team": user["team"], "session_version": user["session_version"]}

    return await house.ledger.do(act, actor)


async def create_token(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """An API token of an existing person."""
    user, label = args.take("user", str), args.take("label", str)
    args.done()
    if not 0 < len(label) <= 64:
        raise SchedulerError(422, "bad_request", "A label has 1 to 64 characters.", field="label")
    token = "gr_" + secrets.token_urlsafe(32)

    def act(turn: Turn) -> dict[str, Any]:
        if turn.store.user(user) is None:
            raise SchedulerError(404, "unknown_user", f"There is no user {user!r}.", field="user",
                                 hint="Make one with: role_scheduler login-link --user NAME.")  # fmt: skip
        turn.store.insert_token(token_hash(token), user, label, turn.actor, turn.at)
        return {"token": token, "label": label}

    return await house.ledger.do(act, actor)


async def revoke_token(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """Make tokens worthless by their label."""
    label = args.take("label", str)
    args.done()

    def act(turn: Turn) -> dict[str, Any]:
        count = turn.store.revoke_tokens(label, turn.actor, turn.at)
        if count == 0:
            raise SchedulerError(404, "unknown_token", f"No living token has the label {label!r}.", field="label")
        return {"label": label, "revoked": count}

    return await house.ledger.do(act, actor)


async def end_sessions(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """Sign a person out everywhere."""
    user = args.take("user", str)
    args.done()

    def act(turn: Turn) -> dict[str, Any]:
        if turn.store.user(user) is None:
            raise SchedulerError(404, "unknown_user", f"There is no user {user!r}.", field="user")
        turn.store.end_sessions(user, turn.actor, turn.at)
        found = turn.store.user(user)
        assert found is not None
        return {"user": user, "session_version": found["session_version"]}

    return await house.ledger.do(act, actor)


async def record(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """Write a deed that changes no state into the audit."""
    action, subject, body = args.take("action", str), args.take("object", str), args.take("body", dict)
    args.done()
    if action not in _RECORDABLE:
        raise SchedulerError(422, "bad_request", f"{action!r} cannot be recorded by hand.", field="action",
                             hint=f"Use one of {', '.join(sorted(_RECORDABLE))}.")  # fmt: skip
    seq = await house.ledger.do(lambda turn: turn.record(action, subject, body), actor)
    return {"audit_seq": seq}


def _check_person(user: str, group: str) -> None:
    if user in ("local", "system"):
        message = f"{user!r} is the machine's own name."
        raise SchedulerError(422, "bad_request", message, field="user", hint="Use another.", problem="machines_name")
    if not 0 < len(user) <= 64 or not all(c.isalnum() or c in "._-@" for c in user):
        raise SchedulerError(422, "bad_request", "A user may have letters, digits and . _ - @, at most 64.", field="user")
    if group not in GROUPS:
        hint = f"Use one of {', '.join(GROUPS)}."
        raise SchedulerError(422, "bad_request", f"group {group!r} is unknown.", field="group", hint=hint)


PEOPLE_COMMANDS: dict[str, Handler] = {
    "create_login_link": create_login_link,
    "redeem_login_link": redeem_login_link,
    "create_token": create_token,
    "revoke_token": revoke_token,
    "end_sessions": end_sessions,
    "record": record,
}
