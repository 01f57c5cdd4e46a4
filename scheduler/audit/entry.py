"""What an audit row says: who did what to what, with which outcome."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypedDict

PERSON = "user:"  # before the name of a person who acts
ACTOR_GROUP = "actor_group"  # in the body: the group that the person was in; rows of before this was kept have none
OUTCOMES = ("success", "failure", "refused")
MAX_BODY_CHARS = 32_768
_TAG = re.compile(r"[a-z]+([_-][a-z]+)*:[a-z]+([_-][a-z]+)*")


class ActorLike(Protocol):
    """Who caused something. `name`: "user:<name>", "local" (this machine, no token) or "system"."""

    @property
    def name(self) -> str:
        """The actor as the log names it."""

    @property
    def address(self) -> str:
        """Network address of the caller, "" for the system."""

    @property
    def request_id(self) -> str:
        """Id of the request, "" where there was none."""


@dataclass(frozen=True, slots=True)
class Actor:
    """The plainest ActorLike."""

    name: str
    address: str = ""
    request_id: str = ""


SYSTEM = Actor("system")


class AuditEntry(TypedDict):
    """An audit row as readers get it. `body` is parsed; `prev` and `hash` are lower-case hex."""

    seq: int
    at_utc: str  # 2026-11-21T09:00:00.000000Z
    mono_ns: int  # monotonic clock of the machine's boot `boot_id`
    boot_id: str
    actor: str
    actor_group: str | None  # of the person at that moment; None: no person, or not kept then
    action: str  # tag, subject:verb-past
    object: str  # "job:<id>", "role:<name>", "slot:<n>", "queue", …
    outcome: str  # success, failure, refused
    address: str
    request_id: str
    body: dict[str, Any]
    prev: str
    hash: str


def is_tag(text: str) -> bool:
    """Whether `text` has the grammar of an audit tag: `subject:verb-past`, lower case, words joined by `-` or `_`."""
    return _TAG.fullmatch(text) is not None


def utc_text(at: float) -> str:
    """Seconds since 1970 as the audit writes time: `2026-11-21T09:00:00.000000Z` (sorts as text)."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
