"""Further named reads that only pages need: light columns, many rows at once, history."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from scheduler.core.job import OWNED_STATES
from scheduler.store.day_reads import DayReads
from scheduler.store.reader import Reader
from scheduler.store.reads import Row

_CARD = "id, ordinal, user, team, role, priority, state, hold, blocks_done, total_blocks, slot, submitted_at"

SELECT_CARDS = f"""
SELECT {_CARD}, verdict FROM jobs LEFT JOIN verdicts ON job_id = id WHERE id IN (SELECT value FROM json_each(?))"""
SELECT_CARDS_BY_STATE = f"""
SELECT {_CARD}, NULL AS verdict FROM jobs WHERE state IN (SELECT value FROM json_each(?)) ORDER BY slot, ordinal"""
SELECT_OPEN_MEMORY = """
SELECT id, CASE state WHEN 'QUEUED' THEN NULL ELSE slot END AS slot, context_bytes FROM jobs
WHERE state IN ('QUEUED', 'LEASED', 'RUNNING', 'PREEMPTING')"""
SELECT_FRAGMENT_SIZES = "SELECT block, fragment_bytes FROM blocks WHERE job_id = ? ORDER BY block"
SELECT_LAST_BLOCK_AT = """
SELECT max(made_at) FROM blocks WHERE job_id IN (SELECT id FROM jobs WHERE state IN (SELECT value FROM json_each(?)))"""
SELECT_ROLE_BLOCKS = """
SELECT b.job_id, b.block, b.seconds, b.peak_bytes, b.made_at, b.frames FROM blocks AS b
WHERE b.job_id IN (SELECT id FROM jobs WHERE role = ? ORDER BY ordinal DESC LIMIT ?)
ORDER BY b.made_at DESC LIMIT ?"""
SELECT_LAST_BLOCKS = "SELECT * FROM blocks WHERE job_id = ? ORDER BY block DESC LIMIT ?"
SELECT_BLOCK_SUMS = """
SELECT count(*) AS blocks, sum(seconds) AS seconds, nullif(max(peak_bytes), 0) AS peak_bytes FROM blocks WHERE job_id = ?"""
SELECT_STAGE_SUMS = """
SELECT stage.key AS name, sum(stage.value) AS ms FROM blocks, json_each(blocks.stage_ms) AS stage WHERE job_id = ?
GROUP BY stage.key ORDER BY ms DESC"""
SELECT_LAST_OF_ACTIONS = """
SELECT seq, at_utc, actor, action, object, outcome, body FROM audit
WHERE action IN (SELECT value FROM json_each(?)) ORDER BY seq DESC LIMIT ?"""
SELECT_QUIET_EVENTS = """
SELECT seq, at_utc, actor, action, object, outcome, body FROM audit
WHERE action != 'block:finished' ORDER BY seq DESC LIMIT ?"""
SELECT_THINNED_SAMPLES = """
SELECT min(at) AS at, device, body FROM samples WHERE at >= ? GROUP BY device, CAST(at / ? AS INTEGER) ORDER BY device, at"""

RECENT_ROLE_JOBS = 50


class ViewReader(Reader, DayReads):
    """The Reader with what pages need besides."""

    def cards(self, job_ids: Iterable[str]) -> list[Row]:
        """Light rows (no recipe) of these jobs; unknown ids are left out."""
        wanted = list(job_ids)
        return self._rows(SELECT_CARDS, (json.dumps(wanted),)) if wanted else []

    def running_cards(self) -> list[Row]:
        """Light rows of the jobs that a worker holds, by slot."""
        return self._rows(SELECT_CARDS_BY_STATE, (json.dumps([str(state) for state in OWNED_STATES]),))

    def open_memory(self) -> list[Row]:
        """Light rows of all jobs that wait or are held by a worker: id, slot (None: waits), context_bytes."""
        return self._rows(SELECT_OPEN_MEMORY)

    def fragment_sizes(self, job_id: str) -> list[int]:
        """Bytes of the fragments of blocks 0, 1, … as far as they follow one another without a gap."""
        sizes: list[int] = []
        for row in self._each(SELECT_FRAGMENT_SIZES, (job_id,)):
            if row["block"] != len(sizes):
                break
            sizes.append(row["fragment_bytes"])
        return sizes

    def last_block_at(self) -> float | None:
        """When the newest block of a job that runs now was made (seconds since 1970); None when there is none."""
        value = self._value(SELECT_LAST_BLOCK_AT, (json.dumps([str(state) for state in OWNED_STATES]),))
        return None if value is None else float(value)

    def last_blocks(self, job_id: str, limit: int) -> list[Row]:
        """The job's newest blocks, oldest first: columns of `blocks`."""
        return self._rows(SELECT_LAST_BLOCKS, (job_id, limit))[::-1]

    def block_sums(self, job_id: str) -> Row:
        """Over all blocks of a job: how many, computing seconds, highest peak in bytes (None: not measured)."""
        row = self._row(SELECT_BLOCK_SUMS, (job_id,))
        assert row is not None, "an aggregate has a row"
        return row

    def stage_sums(self, job_id: str) -> list[Row]:
        """What the computing time of a job went into: name, milliseconds in all; largest first."""
        return self._rows(SELECT_STAGE_SUMS, (job_id,))

    def role_blocks(self, role: str, limit: int = 500) -> list[Row]:
        """The role's newest blocks, oldest first: job_id, block, seconds, peak_bytes, made_at, frames."""
        return self._rows(SELECT_ROLE_BLOCKS, (role, RECENT_ROLE_JOBS, limit))[::-1]

    def last_of_actions(self, actions: Iterable[str], limit: int) -> list[Row]:
        """The newest audit rows with one of these tags, newest first; `body` as data."""
        rows = self._rows(SELECT_LAST_OF_ACTIONS, (json.dumps(list(actions)), limit))
        return [{**row, "body": json.loads(row["body"])} for row in rows]

    def quiet_events(self, limit: int) -> list[Row]:
        """The newest audit rows but for single blocks, newest first; `body` as data."""
        return [{**row, "body": json.loads(row["body"])} for row in self._rows(SELECT_QUIET_EVENTS, (limit,))]

    def thinned_samples(self, since: float, step_s: float) -> list[Row]:
        """Readings from `since` on, one per device and step: at, device and the reading's own keys."""
        rows = self._rows(SELECT_THINNED_SAMPLES, (since, step_s))
        return [{**json.loads(row["body"]), "at": row["at"], "device": row["device"]} for row in rows]


def open_views(data_dir: Path) -> ViewReader:
    """A ViewReader of this data directory. Raises StoreFailed: `no_store` and others."""
    return ViewReader(data_dir)
