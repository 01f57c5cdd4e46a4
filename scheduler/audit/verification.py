"""Checks the log of a data directory, or an export: every row's hash, the chain, the head outside the database."""

from __future__ import annotations

import dataclasses
import sqlite3
from hashlib import sha256
from pathlib import Path

from scheduler.audit.chain import GENESIS, Link, chained_bytes_sql
from scheduler.audit.export_verification import verify_export
from scheduler.audit.guards import missing_guards
from scheduler.audit.head import HEAD_NAME, Head, read_head
from scheduler.audit.snapshot import DATABASE_NAME, audit_snapshot
from scheduler.audit.verdict import ChainResult, Verdict, VerdictCode, broken_row
from scheduler.core.counted import counted
from scheduler.errors import SchedulerError

SELECT_CHAIN = f"SELECT seq, prev, hash, {chained_bytes_sql()} FROM audit WHERE seq >= ? ORDER BY seq"
SELECT_HASH = "SELECT hash FROM audit WHERE seq = ?"
SELECT_LAST_SEQ = "SELECT coalesce(max(seq), 0) FROM audit"
SELECT_COUNT_BELOW = "SELECT count(*) FROM audit WHERE seq < 1"


def verify(data_dir: Path, from_seq: int | None = None, export: Path | None = None) -> Verdict:
    """Check the whole log, the rows from `from_seq` on, or the exported JSONL file `export`.

    An export is also compared with the database where there is one: its last row must be the database's row of that
    number. Never writes. A daemon may run meanwhile: the head is read before the database, so the database is never
    found behind it. Raises SchedulerError `no_store` when there is no database, `bad_from_seq` when `from_seq` is
    below 1 or beyond the end.
    """
    if export is not None:
        return _compare_with_database(data_dir, verify_export(export))
    if from_seq is not None and from_seq < 1:
        raise SchedulerError(422, "bad_from_seq", f"Rows are numbered from 1, not {from_seq}.", field="from_seq")
    head = read_head(data_dir)
    verdict = _verify_once(data_dir, head, from_seq or 1)
    if verdict.code is VerdictCode.HEAD_MISMATCH and (newer := read_head(data_dir)) != head:
        verdict = _verify_once(data_dir, newer, from_seq or 1)  # a daemon opened the log between the two looks
    return verdict


def _verify_once(data_dir: Path, head: Head | None, from_seq: int) -> Verdict:
    try:
        with audit_snapshot(data_dir) as connection:
            return _verdict(connection, head, from_seq)
    except sqlite3.DatabaseError as error:
        return broken_row(ChainResult(0, Link(), from_seq, f"the database cannot be read ({error})"))


def verify_connection(connection: sqlite3.Connection, from_seq: int) -> ChainResult:
    """Follow the chain from `from_seq` on an open connection (any text_factory)."""
    factory = connection.text_factory
    connection.text_factory = bytes  # the chained bytes as stored, even where they are no longer UTF-8
    try:
        return _follow(connection, from_seq)
    finally:
        connection.text_factory = factory


def _verdict(connection: sqlite3.Connection, head: Head | None, from_seq: int) -> Verdict:
    _refuse_beyond_end(connection, head, from_seq)
    result = verify_connection(connection, from_seq)
    is_broken = result.broken_seq is not None
    verdict = broken_row(result) if is_broken else compare_with_head(connection, result, head)
    warnings = tuple(f"The guard {name} is missing from the database." for name in missing_guards(connection))
    return dataclasses.replace(verdict, warnings=warnings, head_seq=head.link.seq if head else None)


def _refuse_beyond_end(connection: sqlite3.Connection, head: Head | None, from_seq: int) -> None:
    """Raise where `from_seq` follows neither a row nor what the head says there was: a slip of the asker, no damage."""
    if from_seq == 1 or head is None:
        return
    last = max(connection.execute(SELECT_LAST_SEQ).fetchone()[0], head.link.seq)
    if from_seq > last + 1:
        raise SchedulerError(422, "bad_from_seq", f"The log ends at row {last}.", field="from_seq")


def _follow(connection: sqlite3.Connection, from_seq: int) -> ChainResult:
    start = _link_before(connection, from_seq)
    if isinstance(start, str):
        return ChainResult(0, Link(), from_seq, start)
    seq, prev = start.seq, start.hash
    first = seq
    try:
        for found, row_prev, row_hash, chained in connection.execute(SELECT_CHAIN, (from_seq,)):
            if found != seq + 1:
                return ChainResult(seq - first, Link(seq, prev), seq + 1, f"it is missing, row {found} follows {seq}")
            if row_prev != prev:
                return ChainResult(seq - first, Link(seq, prev), found, "it does not follow the row before it")
            if sha256(prev + found.to_bytes(8, "big") + chained).digest() != row_hash:
                return ChainResult(seq - first, Link(seq, prev), found, "its content does not match its hash")
            seq, prev = found, row_hash
    except (sqlite3.DatabaseError, TypeError, OverflowError) as error:  # damaged pages, values of a foreign type
        return ChainResult(seq - first, Link(seq, prev), seq + 1, f"it cannot be read ({error})")
    return ChainResult(seq - first, Link(seq, prev))


def _link_before(connection: sqlite3.Connection, from_seq: int) -> Link | str:
    """The link that `from_seq` must follow, or why there is none."""
    if from_seq == 1:
        below = connection.execute(SELECT_COUNT_BELOW).fetchone()[0]
        return "rows stand before the first one" if below else Link(0, GENESIS)
    row = connection.execute(SELECT_HASH, (from_seq - 1,)).fetchone()
    return Link(from_seq - 1, row[0]) if row else f"row {from_seq - 1} before it is missing"


def compare_with_head(connection: sqlite3.Connection, result: ChainResult, head: Head | None) -> Verdict:
    """The verdict for a sound chain: does the head name a row of it, and is nothing missing or added behind it?"""

    def answer(code: VerdictCode, message: str) -> Verdict:
        return Verdict(code=code, message=message, rows=result.rows, seq=result.last.seq, hash=result.last.hash.hex())

    if head is None:
        return answer(VerdictCode.HEAD_MISMATCH, f"{HEAD_NAME} is missing or unreadable.")
    if result.last.seq < head.link.seq:
        lost = head.link.seq - result.last.seq
        return answer(VerdictCode.TRUNCATED, f"The log lacks its last {counted(lost, 'row')}: the head is at {head.link.seq}.")
    if hash_at(connection, head.link.seq) != head.link.hash:
        return answer(VerdictCode.HEAD_MISMATCH, f"Row {head.link.seq} is not the one that the head names.")
    if head.is_closed and result.last.seq > head.link.seq:
        added = result.last.seq - head.link.seq
        return answer(VerdictCode.HEAD_MISMATCH, f"Added after the log was closed: {counted(added, 'row')}.")
    return answer(VerdictCode.OK, f"Sound: {counted(result.rows, 'row')}, up to {result.last.seq}.")


def _compare_with_database(data_dir: Path, verdict: Verdict) -> Verdict:
    if not verdict.is_ok or not (data_dir / DATABASE_NAME).exists():
        return verdict
    try:
        with audit_snapshot(data_dir) as connection:
            stored = hash_at(connection, verdict.seq)
    except (sqlite3.DatabaseError, SchedulerError) as error:
        note = f"The database could not be compared with ({error})."
        return dataclasses.replace(verdict, warnings=(*verdict.warnings, note))
    if stored is None or stored.hex() != verdict.hash:
        message = f"Row {verdict.seq} of the export is not the one in the database."
        return dataclasses.replace(verdict, code=VerdictCode.HEAD_MISMATCH, message=message)
    return verdict


def hash_at(connection: sqlite3.Connection, seq: int) -> bytes | None:
    """The stored hash of a row; that of the empty log for 0; None when there is no such row."""
    if seq == 0:
        return GENESIS
    row = connection.execute(SELECT_HASH, (seq,)).fetchone()
    return row[0] if row else None
