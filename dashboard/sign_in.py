"""Trying a password: limits per account and address, the check, the line in the log."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from dashboard import passwords
from dashboard.errors import WebError
from dashboard.reads import Reads
from dashboard.waits import GrowingWait, network_of
from scheduler.client import Scheduler

MAX_NAME = 64
ACCOUNT_FREE, ACCOUNT_MOST_S = 5, 900.0
ADDRESS_FREE, ADDRESS_MOST_S = 20, 60.0  # an office may share one


@dataclass(frozen=True)
class Waits:
    """Failures in a row, per account name and per address. A name that nobody has waits like any other."""

    accounts: GrowingWait = field(default_factory=lambda: GrowingWait(ACCOUNT_FREE, ACCOUNT_MOST_S))
    addresses: GrowingWait = field(default_factory=lambda: GrowingWait(ADDRESS_FREE, ADDRESS_MOST_S))


def sign_in(reads: Reads, door: Scheduler, waits: Waits, name: str, password: str, address: str) -> dict[str, Any]:
    """user and session_version of the person. Raises WebError 403 `bad_sign_in`, the same for every reason, 429 `wait`."""
    person = reads.user(name) if 0 < len(name) <= MAX_NAME else None
    kept = reads.store.password(name) if person is not None else None
    is_good = _tried(waits, name, address, password, kept)
    found = door.record_sign_in(
        name if person is not None else None, is_good, changed_at=kept["changed_at"] if kept and is_good else None,
        failures=waits.accounts.failures(_key(name)),
    )  # fmt: skip
    if not is_good:
        raise WebError(403, "bad_sign_in", "Name or password is wrong.", hint="Without a password ask for a sign-in link.")
    return found


def check_own(reads: Reads, door: Scheduler, waits: Waits, name: str, password: str, address: str) -> dict[str, Any]:
    """The kept row of one's own password, after the right one was given. Raises WebError 403 `wrong_old`, 429 `wait`."""
    kept = reads.store.password(name)
    if kept is None or not _tried(waits, name, address, password, kept):
        door.record_sign_in(name, False, failures=waits.accounts.failures(_key(name)))
        raise WebError(403, "wrong_old", "The old password is not right.", field="old",
                       hint="Who forgot it asks an administrator for a reset.")  # fmt: skip
    return kept


def _tried(waits: Waits, name: str, address: str, password: str, kept: dict[str, Any] | None) -> bool:
    account, network = _key(name), network_of(address)
    wait_s = waits.accounts.take(account)
    if wait_s <= 0:
        wait_s = waits.addresses.take(network)
        if wait_s > 0:
            waits.accounts.give_back(account)
    if wait_s > 0:
        seconds = math.ceil(wait_s)
        raise WebError(429, "wait", f"Too many wrong passwords; wait {seconds} s.", retry_after_s=seconds,
                       hint="A sign-in link works at once.")  # fmt: skip
    is_good = passwords.is_right(password, kept["hash"] if kept is not None else None)
    if is_good:
        waits.accounts.forgive(account)
        waits.addresses.give_back(network)
    return is_good


def _key(name: str) -> str:
    return name[: MAX_NAME + 1]


def forgive(waits: Waits, name: str) -> None:
    """Somebody came in with a link: the account's waits are over."""
    waits.accounts.forgive(_key(name))
