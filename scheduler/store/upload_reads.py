"""Reading what people brought: actor, sha256, name, at, kind, bytes, verdict (data), jobs (made with it)."""

from __future__ import annotations

import json

from scheduler.store.job_reads import OPEN_STATES
from scheduler.store.reads import Reads, Row
from scheduler.store.sql import uploads as sql


class UploadReads(Reads):
    """Files of people. `actor`: as the log names a person, `user:<name>` or `local`."""

    def upload(self, actor: str, sha256: str) -> Row | None:
        """The actor's file with this content, or None."""
        row = self._row(sql.SELECT_UPLOAD, (actor, sha256))
        return None if row is None else _parsed(row)

    def uploads_of(self, actor: str) -> list[Row]:
        """All files of the actor, newest first."""
        return [_parsed(row) for row in self._rows(sql.SELECT_UPLOADS_OF, (actor,))]

    def uploaded_bytes(self, actor: str) -> int:
        """How much the actor's files take."""
        return int(self._value(sql.SELECT_BYTES, (actor,)))

    def unused_uploads(self, before: float, limit: int = 100) -> list[Row]:
        """Files that were last brought before a time and that no job was made with: actor and sha256, oldest first."""
        return self._rows(sql.SELECT_UNUSED, (before, limit))

    def open_use(self, sha256: str) -> str | None:
        """An open job that is made with this file, or None."""
        states = json.dumps(sorted(str(state) for state in OPEN_STATES))
        row = self._row(sql.SELECT_OPEN_USE, (sha256, states))
        return None if row is None else str(row["id"])

    def asset_hashes(self) -> set[str]:
        """Every content that the house knows."""
        return {str(row["sha256"]) for row in self._each(sql.SELECT_ASSET_HASHES)}


def _parsed(row: Row) -> Row:
    return {**row, "verdict": json.loads(row["verdict"])}
