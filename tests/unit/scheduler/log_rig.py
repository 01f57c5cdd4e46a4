"""A log as a daemon writes it, read as a chaos run reads it."""

from __future__ import annotations

from typing import Any

from scheduler.audit.entry import AuditEntry, utc_text
from scheduler.chaos.promises import Promises


class Log:
    """Rows in order; each is held against what sessions, reserved times and pauses were promised."""

    def __init__(self) -> None:
        self.promises, self.at, self.seq = Promises(), 1_000.0, 0

    def row(self, action: str, thing: str, /, **body: Any) -> None:
        """One row, at `self.at` in seconds since 1970."""
        self.seq += 1
        entry: AuditEntry = {
            "seq": self.seq, "at_utc": utc_text(self.at), "mono_ns": 0, "boot_id": "b", "actor": "system", "actor_group": None,
            "action": action, "object": thing, "outcome": "success", "address": "", "request_id": "", "body": body, "prev": "",
            "hash": "",
        }  # fmt: skip
        self.promises.feed([entry])
