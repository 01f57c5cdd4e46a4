"""Kinds of faults that somebody has folded away for an hour: the log says who, why and when, so it ends by itself; or somebody
takes it back before."""

from __future__ import annotations

from dashboard.healing import seconds
from dashboard.reads import Reads, Row
from scheduler.clock import house_now

MUTED, UNMUTED = "fault:muted", "fault:unmuted"
FOR_S = 3600.0


def muted(reads: Reads, now: float | None = None) -> dict[str, Row]:
    """Fault → by, reason, until (seconds since 1970) of what is muted now."""
    at = house_now() if now is None else now
    newest: dict[str, Row] = {}
    for row in reads.store.last_of_actions((MUTED, UNMUTED), 50):
        newest.setdefault(row["body"].get("fault"), row)
    return {
        fault: {"by": row["actor"].removeprefix("user:"), "reason": row["body"].get("reason", ""), "until": until}
        for fault, row in newest.items()
        if row["action"] == MUTED and (until := seconds(row["at_utc"]) + FOR_S) > at
    }
