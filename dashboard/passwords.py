"""Passwords: what may be one, its hash (scrypt), and checking one in the same time whether the name exists or not.

What a person types stays in this module: the daemon and the store get the hash, the log that something was tried.
"""

from __future__ import annotations

import threading
import unicodedata

from werkzeug.security import check_password_hash, generate_password_hash

from dashboard.errors import WebError

METHOD = "scrypt:32768:8:1"  # 32 MiB and about a tenth of a second for each guess
LEAST, MOST = 10, 200  # characters
LEAST_OTHERS = 6  # characters that are left when the name is taken out
LEAST_KINDS = 4  # different characters
AT_ONCE = 2  # each takes a core and 32 MiB
PATIENCE_S = 20.0
_NOBODYS = f"{METHOD}${'0' * 16}${'0' * 128}"  # to compare with where there is none: it costs as much and is never equal
_seats = threading.BoundedSemaphore(AT_ONCE)


def checked(password: str, name: str) -> str:
    """The password as it is hashed (one form of each letter). Raises WebError 422 naming what is wrong with it."""
    password = unicodedata.normalize("NFKC", password)
    folded, own = password.casefold(), name.casefold()
    if not LEAST <= len(password) <= MOST:
        raise _refused("password_length", f"A password has {LEAST} to {MOST} characters.", "Several words are easy to keep.")
    if (own and len(folded.replace(own, "")) < LEAST_OTHERS) or folded == own[::-1]:
        raise _refused("password_is_name", "A password is more than the name.", "Whoever guesses tries names first.")
    if len(set(folded)) < LEAST_KINDS:
        raise _refused("password_simple", f"A password has at least {LEAST_KINDS} different characters.", "")
    return password


def hashed(password: str) -> str:
    """What is kept of a checked password. Raises WebError 503 while too many are computed at once."""
    with _Seat():
        return generate_password_hash(password, METHOD)


def is_right(password: str, kept_hash: str | None) -> bool:
    """Is it the password of this hash? None (no such name, or no password) takes just as long and is never right."""
    with _Seat():
        found = check_password_hash(kept_hash or _NOBODYS, unicodedata.normalize("NFKC", password[: MOST + 1]))
    return found and kept_hash is not None


class _Seat:
    """One of the few places for computing a hash."""

    def __enter__(self) -> None:
        if not _seats.acquire(timeout=PATIENCE_S):
            raise WebError.no_seat("busy", "Too many people sign in just now.", "Try again in a moment.")

    def __exit__(self, *_: object) -> None:
        _seats.release()


def _refused(code: str, message: str, hint: str) -> WebError:
    return WebError(422, code, message, field="new", hint=hint)
