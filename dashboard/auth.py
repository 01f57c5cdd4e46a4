"""Finding out who calls, and the one decorator that asks the matrix of rights. Pages and API use the same."""

from __future__ import annotations

import functools
import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

from flask import g, redirect, request, session, url_for

from dashboard.context import house
from dashboard.errors import WebError, wants_page
from dashboard.guard import CHANGING
from dashboard.principal import NOBODY, Principal
from scheduler.clock import house_now

P = ParamSpec("P")
R = TypeVar("R")
# Headers that only a proxy adds: the caller may then be anywhere.
_FORWARDED = frozenset({"forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"})
_FORWARDED_START = "x-forwarded-"


def find_principal() -> Principal:
    """The caller of this request: token before session before `local`. Raises WebError 401 for a token that is not valid."""
    header = request.headers.get("Authorization", "")
    if header:
        return _token_holder(header)
    return _signed_in() or _local() or NOBODY


def _token_holder(header: str) -> Principal:
    scheme, _, token = header.partition(" ")
    if scheme.lower() == "bearer" and token:
        digest = hashlib.sha256(token.strip().encode()).hexdigest()
        user = house().reads.user_of_token(digest)
        if user is not None:
            return _person("token", user, token_sha256=digest)
    raise WebError(401, "bad_token", "This token is not valid.", hint="Make one with: role_scheduler token create.")


def _signed_in() -> Principal | None:
    name = session.get("user")
    if not name:
        return None
    user = house().reads.user(name)
    until = float(session.get("at", 0)) + house().settings.session_s
    if user is None or user["session_version"] != session.get("version") or house_now() > until:
        session.clear()
        return None
    return _person("session", user, until=until)


def _person(kind: Any, user: dict[str, Any], **proof: Any) -> Principal:
    rights = house().rights.of(user["group"])
    return Principal(kind, user["name"], user["group"], user["team"], rights, user["session_version"], **proof)


def has_ended(principal: Principal) -> bool:
    """Is what opened a socket or a stream no longer good? Signed out, moved to another group, token revoked, time over."""
    if not principal.is_signed_in:
        return False
    reads = house().reads
    user = reads.user(principal.name)
    if user is None or user["group"] != principal.group or house_now() > principal.until:
        return True
    if principal.kind == "token":
        return reads.user_of_token(principal.token_sha256) is None
    return bool(user["session_version"] != principal.session_version)


def _local() -> Principal | None:
    """A call from this machine itself: loopback address, loopback host name (no DNS rebinding), no proxy in between.

    Pages that are reached through TLS come through a proxy, which may hide both: there nobody is `local`.
    """
    if house().settings.is_https or not is_loopback(request.remote_addr or "") or _is_forwarded():
        return None
    if not is_loopback(_host_name()):
        return None
    rights = house().rights.of("local")
    return Principal("local", "local", "local", "", rights) if rights else None


def _is_forwarded() -> bool:
    names = (name.lower() for name, _ in request.headers)
    return any(name in _FORWARDED or name.startswith(_FORWARDED_START) for name in names)


def _host_name() -> str:
    """The host that the caller believes to speak to, without its port; empty for what is no host."""
    try:
        return urlsplit(f"//{request.host}").hostname or ""
    except ValueError:
        return ""


@functools.lru_cache(maxsize=1024)
def is_loopback(host: str) -> bool:
    """Is this address or host name the machine itself?"""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def caller() -> Principal:
    """The caller of this request, found once."""
    if "principal" not in g:
        g.principal = find_principal()
    principal: Principal = g.principal
    return principal


def require(*rights: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let only callers through that hold all of these rights; a change also passes rate limit and CSRF check."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(view)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            principal = caller()
            if principal.kind == "nobody" and wants_page():
                return redirect(url_for("login.page", next=request.full_path.rstrip("?")), 303)  # type: ignore[return-value]
            demand(*rights)
            if request.method in CHANGING:
                _check_change(principal)
            return view(*args, **kwargs)

        checked.required_rights = rights  # type: ignore[attr-defined]  # a test reads it: no route without rights
        return checked

    return decorate


def demand(*rights: str) -> None:
    """Raise WebError 401 (nobody) or 403 when a right is missing."""
    principal = caller()
    for right in rights:
        if principal.may(right):
            continue
        if principal.kind == "nobody":
            hint = "role_scheduler login-link prints a link; programs send a token."
            raise WebError(401, "sign_in", "Sign in first.", hint=hint)
        raise WebError(
            403, "no_right", f"{principal.group or 'This caller'} has no right {right}.", hint="rights.yaml says who has it."
        )


def _check_change(principal: Principal) -> None:
    if not house().writes.take(principal.seat_key(request.remote_addr or "")):
        raise WebError(429, "too_many", "Too many changes from you at once.", hint="Wait a second, then go on more slowly.")
    if principal.kind == "session":
        check_csrf(request.headers.get("X-CSRF-Token", ""))


def csrf_token() -> str:
    """The token that forms of this browser carry."""
    if "csrf" not in session:
        session["csrf"] = secrets.token_urlsafe(18)
    token: str = session["csrf"]
    return token


def check_csrf(given: str) -> None:
    """Raise WebError 403 unless the form came from one of our pages."""
    expected = session.get("csrf", "") or secrets.token_hex()
    if not hmac.compare_digest(given.encode(), expected.encode()):  # as bytes: text beyond ASCII would be an error of ours
        raise WebError(403, "bad_form", "This form is no longer valid.", hint="Reload the page and try again.")
