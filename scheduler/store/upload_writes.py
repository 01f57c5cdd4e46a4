"""Writing what people brought: each row with its audit row, in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scheduler.audit.entry import ActorLike
from scheduler.core.tags import Tag
from scheduler.store.sql import uploads as sql
from scheduler.store.transaction import Transactional


class UploadWrites(Transactional):
    """Files of people. Their assets are written by `insert_asset`."""

    def keep_upload(self, sha256: str, name: str, body: Mapping[str, Any], actor: ActorLike, at: float) -> int:
        """The actor has this asset from now on (again: as of now); the log row's seq. The name stays out of the log."""
        seq = self.record(Tag.UPLOAD_ADDED, f"asset:{sha256}", body, actor, at)
        self._write(sql.PUT_UPLOAD, {"actor": actor.name, "sha256": sha256, "name": name, "at": at})
        return seq

    def remove_upload(self, owner: str, sha256: str, reason: str, actor: ActorLike, at: float) -> bool:
        """Take the file from its owner (as the log names them); true when nobody and no role needs the content any more.

        Then its row of `assets` is gone, too, and the caller removes the file itself after the commit.
        """
        self.record(Tag.UPLOAD_REMOVED, f"asset:{sha256}", {"owner": owner, "reason": reason}, actor, at)
        self._write(sql.DELETE_UPLOAD, (owner, sha256))
        if self._connection.execute(sql.SELECT_IS_NEEDED, {"sha256": sha256}).fetchone()[0]:
            return False
        self._write(sql.DELETE_ASSET, (sha256,))
        return True

    def note_use(self, sha256: str, job_id: str) -> None:
        """The job is made with this file of somebody's own."""
        self._write(sql.INSERT_USE, (sha256, job_id))

    def copy_uses(self, source_id: str, job_id: str) -> None:
        """The job is made with the same files as another."""
        self._write(sql.COPY_USES, (job_id, source_id))
