"""The policy in force beside the shipped one, every policy that ever held here, and what differs between two of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dashboard.reads import Reads, Row
from scheduler.core.healing_policy import HealingPolicy
from scheduler.core.policy import Policy
from scheduler.core.quality import QualityPolicy
from scheduler.core.uploads import UploadsPolicy

CHANGED, REFUSED, ACCEPTED = "policy:changed", "policy:refused", "policy:accepted"
LISTED = 30
ABSENT = None


def version_of(reads: Reads, number: int) -> dict[str, Any] | None:
    """The numbers of a version, by dotted name; None where there was no such version."""
    found = reads.store.fact(f"policy:{number}")
    return None if not isinstance(found, dict) else dict(flat(found))


def shipped() -> dict[str, Any]:
    """The numbers without a policy file."""
    parts = {
        "faults": HealingPolicy().to_mapping(), "quality": QualityPolicy().to_mapping(), "uploads": UploadsPolicy().to_mapping(),
    }  # fmt: skip
    return dict(flat({**Policy().to_mapping(), **parts}))


def flat(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested mappings as dotted names; an empty one stands for itself."""
    for name, value in data.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def diff(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """(name, before, after) of what differs; what one of them does not have is None there."""
    names = [*before, *(name for name in after if name not in before)]
    return [(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)]


def history(reads: Reads) -> list[Row]:
    """Changes, newest first: version, at, by, changes (name, before, after). The first has nothing before it."""
    rows = reads.store.last_of_actions((CHANGED,), LISTED)
    return [
        {
            "version": row["body"].get("version"), "at": row["at_utc"], "by": row["actor"].removeprefix("user:"),
            "changes": _changes(reads, row["body"].get("version")),
        }
        for row in rows if row["object"] == "policy"
    ]  # fmt: skip


def refused(reads: Reads) -> Row | None:
    """The newest policy file that could not be used, if nothing was accepted after it."""
    rows = reads.store.last_of_actions((CHANGED, REFUSED, ACCEPTED), 20)
    newest = next((row for row in rows if row["object"] == "policy"), None)
    return newest if newest is not None and newest["action"] == REFUSED else None


def _changes(reads: Reads, version: Any) -> list[tuple[str, Any, Any]]:
    if not isinstance(version, int):
        return []
    before, after = version_of(reads, version - 1), version_of(reads, version)
    return diff(before, after) if before is not None and after is not None else []
