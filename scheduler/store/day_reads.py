"""Reading what a span of time held, for the morning check, roles' histories and fairness."""

from __future__ import annotations

import json
from collections.abc import Iterable

from scheduler.audit.entry import utc_text
from scheduler.core.job import FINAL_STATES, JobState
from scheduler.store.reads import Reads, Row
from scheduler.store.sql import day as sql


class DayReads(Reads):
    """Counts and histories. Times are seconds since 1970."""

    def first_seq_since(self, since: float) -> int:
        """The log's first row at or after a time; a seq that no row has yet when there is none."""
        value = self._value(sql.SELECT_FIRST_SEQ_SINCE, (utc_text(since),))
        return 2**62 if value is None else int(value)

    def deeds(self, actions: Iterable[str], since: float) -> dict[tuple[str, str], int]:
        """(action, outcome) → how often it is in the log since a time."""
        rows = self._rows(sql.COUNT_ACTIONS, (json.dumps(list(actions)), self.first_seq_since(since)))
        return {(row["action"], row["outcome"]): row["deeds"] for row in rows}

    def faults_since(self, since: float) -> dict[str, int]:
        """Fault → how often it was detected since a time."""
        return {row["fault"]: row["deeds"] for row in self._rows(sql.COUNT_FAULTS, (self.first_seq_since(since),))}

    def finished(self, since: float, until: float) -> Row:
        """`jobs` that succeeded in a span and their `frames`."""
        row = self._row(sql.SELECT_FINISHED, (since, until))
        assert row is not None, "an aggregate has a row"
        return row

    def failed_with(self, code: str, since: float) -> int:
        """How many jobs failed with this code since a time."""
        return int(self._value(sql.COUNT_ERROR_CODE, (since, code)))

    def oldest_waiting(self) -> float | None:
        """When the job that waits longest was submitted; None: nothing waits."""
        value = self._value(sql.SELECT_OLDEST_WAITING)
        return None if value is None else float(value)

    def open_counts(self, user: str) -> tuple[int, int]:
        """(the person's jobs that have not ended, everybody's)."""
        row = self._row(sql.COUNT_OPEN, (user, json.dumps(sorted(set(JobState) - FINAL_STATES))))
        assert row is not None, "an aggregate has a row"
        return row["mine"], row["total"]

    def role_done(self, role: str, since: float, until: float, limit: int = 500) -> list[Row]:
        """The role's newest finished jobs of a span, oldest first, each with its memory `peak_bytes` (None: not measured)."""
        rows = self._rows(sql.SELECT_ROLE_DONE, (since, until, role, limit))[::-1]
        peaks = {row["job_id"]: row["peak_bytes"] for row in self._rows(sql.SELECT_PEAKS, (json.dumps([r["id"] for r in rows]),))}
        return [{**row, "peak_bytes": peaks.get(row["id"]) or None} for row in rows]

    def block_span(self, job_id: str) -> Row:
        """When a job's first and last blocks were made (`first_at`, `last_at`), and the seconds of the first; None: none."""
        row = self._row(sql.SELECT_BLOCK_SPAN, {"job": job_id})
        assert row is not None, "an aggregate has a row"
        return row

    def deeds_of(self, subject: str, action: str, since: float, limit: int = 500) -> list[Row]:
        """Rows of one object with one tag since a time, oldest first; `body` as data."""
        rows = self._rows(sql.SELECT_ACTION_OF, (subject, action, self.first_seq_since(since), limit))[::-1]
        return [{**row, "body": json.loads(row["body"])} for row in rows]

    def waits(self, since: float) -> list[Row]:
        """Jobs submitted since a time that have begun: role, team, wait_s."""
        return self._rows(sql.SELECT_WAITS, (since,))

    def team_shares(self, since: float) -> list[Row]:
        """What each team's blocks since a time have cost: team, jobs, seconds (computing), frames; largest first."""
        return self._rows(sql.SELECT_TEAM_SHARES, {"since": since})
