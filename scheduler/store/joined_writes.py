"""Writing sessions' videos: each row with its audit row, in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scheduler.audit.entry import ActorLike
from scheduler.canonical import canonical_json
from scheduler.core.tags import Tag
from scheduler.store.sql import joined as sql
from scheduler.store.transaction import Transactional


class JoinedWrites(Transactional):
    """Videos of whole sessions."""

    def keep_joined(
        self, last_job: str, first_job: str, facts: Mapping[str, Any], actor: ActorLike, at: float, *, took_s: float
    ) -> int:
        """Keep a session's video (`facts`: `sql.FACTS` but for code and message), with its audit row; the row's seq.

        StoreConflict `already_joined`; nothing is changed then.
        """
        return self._keep_session(last_job, first_job, Tag.SESSION_JOINED, facts, actor, at, took_s)

    def keep_unjoined(
        self, last_job: str, first_job: str, code: str, message: str, actor: ActorLike, at: float, *, took_s: float
    ) -> int:
        """Keep why a session could not be joined, with its audit row; the row's seq. Raises as `keep_joined`."""
        why = {"code": code, "message": message}
        return self._keep_session(last_job, first_job, Tag.SESSION_UNJOINED, why, actor, at, took_s)

    def _keep_session(
        self, last_job: str, first_job: str, tag: Tag, facts: Mapping[str, Any], actor: ActorLike, at: float, took_s: float
    ) -> int:
        self._need_transaction()
        before = self._connection.execute(sql.SELECT_JOINED, (last_job,)).fetchone()
        if before is not None and (before["state"] == "joined" or before["tries"] > 1):
            raise self.conflict("already_joined", f"The session that ends with {last_job} is joined already.", f"job:{last_job}")
        tries = 1 if before is None else before["tries"] + 1
        body = {"tries": tries, "first_job": first_job, "took_s": took_s, **facts}
        outcome = "success" if tag is Tag.SESSION_JOINED else "failure"
        seq = self.record(tag, f"job:{last_job}", body, actor, at, outcome=outcome)
        row = {**dict.fromkeys(sql.COLUMNS), **body, "last_job": last_job, "state": tag.partition(":")[2], "at": at}
        if "parts" in facts:
            row |= {"parts": canonical_json(facts["parts"]), "is_copied": int(facts["is_copied"])}
        self._write(sql.INSERT_JOINED if before is None else sql.UPDATE_JOINED, row)
        return seq
