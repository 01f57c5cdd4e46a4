"""Writing scores: each row with its audit row, in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scheduler.audit.entry import ActorLike
from scheduler.core.tags import Tag
from scheduler.store.sql import quality as sql
from scheduler.store.transaction import Transactional


class QualityWrites(Transactional):
    """Scores of finished videos."""

    def keep_scores(
        self, job_id: str, scores: Mapping[str, float | None], actor: ActorLike, at: float, *, took_s: float, has_portrait: bool
    ) -> int:
        """Keep what was measured (keys: `sql.SCORES`, absent ones cannot be told), with its audit row; the row's seq.

        StoreConflict `already_measured`; nothing is changed then.
        """
        told = {name: scores.get(name) for name in sql.SCORES}
        return self._keep(job_id, Tag.QUALITY_MEASURED, actor, at, {"took_s": took_s, "has_portrait": has_portrait, **told})

    def keep_unmeasured(
        self, job_id: str, code: str, message: str, actor: ActorLike, at: float, *, took_s: float, has_portrait: bool
    ) -> int:
        """Keep why a video could not be measured, with its audit row; the row's seq. Raises as `keep_scores`."""
        why = {"code": code, "message": message}
        return self._keep(job_id, Tag.QUALITY_FAILED, actor, at, {"took_s": took_s, "has_portrait": has_portrait, **why})

    def _keep(self, job_id: str, tag: Tag, actor: ActorLike, at: float, facts: Mapping[str, Any]) -> int:
        self._need_transaction()
        before = self._connection.execute(sql.SELECT_QUALITY, (job_id,)).fetchone()
        if before is not None and (before["state"] == "measured" or before["tries"] > 1):
            raise self.conflict("already_measured", f"The scores of {job_id} are kept already.", f"job:{job_id}")
        tries = 1 if before is None else before["tries"] + 1
        body = {"tries": tries, **{name: value for name, value in facts.items() if value is not None}}
        outcome = "success" if tag is Tag.QUALITY_MEASURED else "failure"
        seq = self.record(tag, f"job:{job_id}", body, actor, at, outcome=outcome)
        row = {**dict.fromkeys(sql.COLUMNS), **facts, "job_id": job_id, "state": tag.partition(":")[2], "tries": tries, "at": at}
        row["has_portrait"] = int(row["has_portrait"])
        self._write(sql.INSERT_QUALITY if before is None else sql.UPDATE_QUALITY, row)
        return seq
