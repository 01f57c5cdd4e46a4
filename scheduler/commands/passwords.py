"""Commands about passwords. Hashes come in and nothing else: what a person typed never reaches the daemon."""

from __future__ import annotations

import re
import secrets
from typing import Any

from scheduler.commands.arguments import Arguments
from scheduler.commands.house import Handler, House
from scheduler.commands.people import LINK_LIFETIME_S, token_hash
from scheduler.core.tags import Tag
from scheduler.door import Actor
from scheduler.errors import SchedulerError
from scheduler.ledger import Turn

# What werkzeug.security writes: method and costs, salt, 64 bytes in hex.
_HASH = re.compile(r"scrypt:[0-9]{4,7}:[0-9]{1,2}:[0-9]{1,2}\$[A-Za-z0-9]{16,64}\$[0-9a-f]{128}")


async def set_password(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """Keep the hash of a person's password; `replaces`: when the one before was set, left out for the first."""
    user, password_hash = args.take("user", str), args.take("password_hash", str)
    replaces = args.maybe("replaces", float)
    args.done()
    if not _HASH.fullmatch(password_hash):
        raise SchedulerError(422, "bad_hash", "Only the scrypt hash of a password is kept.", field="password_hash")

    def act(turn: Turn) -> dict[str, Any]:
        _known(turn, user)
        turn.store.put_password(user, password_hash, replaces, turn.actor, turn.at)
        turn.has_changed = True
        return {"user": user, "session_version": _known(turn, user)["session_version"], "is_first": replaces is None}

    return await house.ledger.do(act, actor)


async def reset_password(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """Take a person's password away, end their sessions and make a one-time link: the way back in."""
    user = args.take("user", str)
    args.done()
    token = secrets.token_urlsafe(24)

    def act(turn: Turn) -> dict[str, Any]:
        _known(turn, user)
        had = turn.store.remove_password(user, turn.actor, turn.at)
        turn.has_changed = True
        turn.store.end_sessions(user, turn.actor, turn.at)
        expires_at = turn.at + LINK_LIFETIME_S
        turn.store.insert_login_link(token_hash(token), user, expires_at, turn.actor, turn.at)
        return {"user": user, "had_password": had, "token": token, "path": f"/login?token={token}", "expires_at": expires_at}

    return await house.ledger.do(act, actor)


async def record_sign_in(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """Write down that somebody signed in with a password, or failed to; a good one gets the session's version.

    `user` is left out for names that nobody has: what was typed there may be a password. `changed_at`: the password that
    was checked; when it was taken away meanwhile the sign-in is refused.
    """
    user, is_good = args.maybe("user", str), args.take("is_good", bool)
    changed_at, failures = args.maybe("changed_at", float), args.maybe("failures", int) or 0
    args.done()

    def act(turn: Turn) -> dict[str, Any]:
        subject = "login" if user is None else f"user:{_known(turn, user)['name']}"
        if not is_good or user is None:
            turn.record(Tag.LOGIN_FAILED, subject, {"failures": failures}, outcome="refused")
            return {}
        password = turn.store.password(user)
        if password is None or password["changed_at"] != changed_at:
            raise SchedulerError(403, "bad_sign_in", "Name or password is wrong.")
        turn.record(Tag.LOGIN_SUCCEEDED, subject, {})
        return {"user": user, "session_version": _known(turn, user)["session_version"]}

    return await house.ledger.do(act, actor)


def _known(turn: Turn, user: str) -> dict[str, Any]:
    found = turn.store.user(user)
    if found is None:
        raise SchedulerError(404, "unknown_user", f"There is no user {user!r:.80}.", field="user",
                             hint="Make one with: role_scheduler login-link --user NAME.")  # fmt: skip
    return found


PASSWORD_COMMANDS: dict[str, Handler] = {
    "set_password": set_password, "reset_password": reset_password, "record_sign_in": record_sign_in,
}  # fmt: skip
