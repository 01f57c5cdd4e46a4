"""Reading sessions: their parts in order, the video of all of them, and which wait to be joined."""

from __future__ import annotations

import json

from scheduler.store.reads import Reads, Row
from scheduler.store.sql import joined as sql

MAX_TRIES = 2
JOINING_NOW = "joining_now"  # a fact {"is_on", "since"}: whether this house joins sessions; for people, decided on by nobody
MAX_PARTS = 1_000  # of a chain that is read; nobody makes one by hand


class JoinedReads(Reads):
    """Sessions. A row of `joined` has `parts` as a list and `is_copied` as bool or None; times in seconds since 1970."""

    def session_of(self, job_id: str) -> list[Row]:
        """The parts of the job's session, in order, light columns; of a job that is in none, itself.

        A job that was rejected is in none.
        """
        values = {"job": job_id, "most": MAX_PARTS}
        return self._rows(sql.SELECT_BEFORE, values) + self._rows(sql.SELECT_AFTER, values)

    def has_followers(self, job_id: str) -> bool:
        """Does a part of a session follow this job?"""
        return self._row(sql.SELECT_FOLLOWER, (job_id,)) is not None

    def joined(self, last_job: str) -> Row | None:
        """The video of the session that ends with this job, or why there is none; None while nobody has tried."""
        row = self._row(sql.SELECT_JOINED, (last_job,))
        return None if row is None else _plain(row)

    def unjoined(self, before: float, since: float = 0.0) -> list[Row]:
        """Sessions whose parts are all there and whose video is not: id of the last part, tries so far; oldest first.

        Failures from after `before` wait a little longer; untried ones that ended before `since` are not looked for.
        """
        return self._rows(sql.SELECT_UNJOINED, {"tries": MAX_TRIES, "before": before, "since": since})

    def all_joined(self) -> dict[str, Row]:
        """Last part → its row, of all sessions that somebody tried to join."""
        return {row["last_job"]: _plain(row) for row in self._each(sql.SELECT_ALL)}


def _plain(row: Row) -> Row:
    is_copied = None if row["is_copied"] is None else bool(row["is_copied"])
    return {**row, "is_copied": is_copied, "parts": json.loads(row["parts"] or "[]")}
