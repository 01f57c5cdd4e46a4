"""Appending to the chain: the only INSERT into `audit`. Inside the caller's transaction, never on its own."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from scheduler.audit.chain import Link, chained_bytes, link_hash
from scheduler.audit.entry import MAX_BODY_CHARS, OUTCOMES, ActorLike, is_tag, utc_text
from scheduler.audit.personal import without_personal_text
from scheduler.canonical import canonical_json

INSERT_ENTRY = """
INSERT INTO audit (seq, at_utc, mono_ns, boot_id, actor, action, object, outcome, address, request_id, body, prev, hash)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
SELECT_LAST_LINK = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1"


class Appender:
    """Knows the end of the chain. Lives as long as the writer's connection."""

    def __init__(self, connection: sqlite3.Connection, personal_key: bytes) -> None:
        self._connection = connection
        self._boot_id = machine_boot_id()
        self.personal_key = personal_key
        self.last = last_link(connection)

    def append(
        self, action: str, subject: str, actor: ActorLike, at: float, *, outcome: str = "success", body: dict[str, Any]
    ) -> int:
        """Add a row, return its seq. `at`: seconds since 1970. ValueError for a bad tag, outcome or body."""
        if not is_tag(action):
            raise ValueError(f"audit tag {action!r} is not of the form subject:verb_past")
        if outcome not in OUTCOMES:
            raise ValueError(f"audit outcome {outcome!r} is not one of {', '.join(OUTCOMES)}")
        text = canonical_json(without_personal_text(body, self.personal_key))
        if len(text) > MAX_BODY_CHARS:
            raise ValueError(f"audit body of {action} has {len(text)} characters; at most {MAX_BODY_CHARS} are allowed")
        fields = (
            utc_text(at), time.monotonic_ns(), self._boot_id, actor.name, action, subject, outcome, actor.address,
            actor.request_id, text,
        )  # fmt: skip
        seq = self.last.seq + 1
        digest = link_hash(self.last.hash, seq, chained_bytes(fields))
        self._connection.execute(INSERT_ENTRY, (seq, *fields, self.last.hash, digest))
        self.last = Link(seq, digest)
        return seq


def last_link(connection: sqlite3.Connection) -> Link:
    """The end of the chain as the database has it."""
    row = connection.execute(SELECT_LAST_LINK).fetchone()
    return Link(row[0], row[1]) if row else Link()


def machine_boot_id() -> str:
    """Id of the machine's boot, so that monotonic times of two boots are never compared; "unknown" off Linux."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text(encoding="ascii").strip() if path.exists() else "unknown"
