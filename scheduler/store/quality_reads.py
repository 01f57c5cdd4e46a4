"""Reading the scores of finished videos, and which videos wait to be measured."""

from __future__ import annotations

from scheduler.core.quality import MAX_TRIES
from scheduler.store.reads import Reads, Row
from scheduler.store.sql import quality as sql


class QualityReads(Reads):
    """Scores. A row has the columns of `quality`; flags as bool, times in seconds since 1970."""

    def quality(self, job_id: str) -> Row | None:
        """The scores of a job's video, or why there are none; None while nobody has tried."""
        row = self._row(sql.SELECT_QUALITY, (job_id,))
        return None if row is None else _flagged(row)

    def unmeasured(self, newest: int, before: float, limit: int = 1) -> list[Row]:
        """Whose turn it is among so many of the newest finished videos: id, video_path, portrait_sha256, tries (so far).

        Failures from after `before` wait a little longer.
        """
        values = {"newest": newest, "tries": MAX_TRIES, "before": before, "limit": limit}
        return self._rows(sql.SELECT_UNMEASURED, values)

    def role_quality(self, role: str, since: float, until: float, limit: int = 500) -> list[Row]:
        """Scores of the role's newest videos finished in a span, oldest first, each with `finished_at`."""
        return [_flagged(row) for row in self._rows(sql.SELECT_ROLE_QUALITY, (since, until, role, limit))[::-1]]

    def all_quality(self) -> dict[str, Row]:
        """Job id → its row, of all jobs that somebody tried to measure."""
        return {row["job_id"]: _flagged(row) for row in self._each(sql.SELECT_ALL)}


def _flagged(row: Row) -> Row:
    return {**row, "has_portrait": bool(row["has_portrait"])}
