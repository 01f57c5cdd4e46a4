"""Opening the store for writing: the schema brought up to date, the end of the log verified."""

from __future__ import annotations

import secrets
import sqlite3
from pathlib import Path

from scheduler.audit.append import last_link
from scheduler.audit.chain import Link
from scheduler.audit.entry import SYSTEM
from scheduler.audit.guards import missing_guards
from scheduler.audit.head import Head, read_head, write_head
from scheduler.audit.verdict import VerdictCode, broken_row
from scheduler.audit.verification import compare_with_head, verify_connection
from scheduler.clock import house_now
from scheduler.store.connection import guard, has_wal_reset_fault, open_for_writing
from scheduler.store.database import Database
from scheduler.store.errors import AuditDamaged, StoreDamaged, translated
from scheduler.store.migrations import migrations
from scheduler.store.sql import devices as sql
from scheduler.store.sql.devices import PERSONAL_KEY
from scheduler.store.writer import Store

ROWS_CHECKED_AT_START = 10_000


def open_writer(data_dir: Path) -> Store:
    """Open (or make) the store of a data directory for writing: migrations applied, end of the log verified.

    The caller makes sure that it is the only one (the daemon's lock). Writes one row, `store:opened`, with the
    versions. Raises StoreFailed: `store_damaged`, `audit_damaged`, `disk_full`, `store_busy`, `two_sqlites`.
    """
    data_dir = Path(data_dir)
    data_dir.mkdir(parents=True, exist_ok=True)
    head = read_head(data_dir)  # before the database: it is never ahead
    connection = open_for_writing(data_dir)
    try:
        applied = _migrate(connection)
        link = _checked_log(connection, head)
        if link.seq == 0:
            write_head(data_dir, link)
        guard(connection)
        connection.row_factory = sqlite3.Row
        store = Store(connection, data_dir, _personal_key(connection))
        _say_opened(store, applied, head, link)
    except sqlite3.Error as error:
        connection.close()
        raise translated(error) from error
    except BaseException:
        connection.close()
        raise
    return store


def _migrate(connection: sqlite3.Connection) -> list[str]:
    """All pending migrations in one transaction: the old schema or the new one, never half. Names of all that it has then."""
    database = Database(connection, recursive_triggers=False, execute_plugins=False)
    if migrations.pending(database):
        connection.execute("BEGIN IMMEDIATE")
        try:
            migrations.apply(database)
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise
    return [migration.name for migration in migrations.applied(database)]


def _checked_log(connection: sqlite3.Connection, head: Head | None) -> Link:
    """The end of the log, after its last rows and its head were verified. AuditDamaged or StoreDamaged otherwise.

    A missing head is no reason to stop (a power cut can leave it empty): it is made anew, and the log says so.
    """
    if missing := missing_guards(connection):
        raise StoreDamaged(f"the log's triggers are gone: {', '.join(missing)}")
    last = last_link(connection)
    if last.seq == 0 and head is None:
        return last
    result = verify_connection(connection, max(1, last.seq - ROWS_CHECKED_AT_START + 1))
    is_broken = result.broken_seq is not None
    verdict = broken_row(result) if is_broken else compare_with_head(connection, result, head)
    if verdict.is_ok or (head is None and verdict.code is VerdictCode.HEAD_MISMATCH):
        return last
    raise AuditDamaged(verdict.to_json())


def _personal_key(connection: sqlite3.Connection) -> bytes:
    """The key of the hashes that stand for personal text; made once per store."""
    row = connection.execute(sql.SELECT_FACT, (PERSONAL_KEY,)).fetchone()
    if row is None:
        connection.execute(sql.SET_FACT, (PERSONAL_KEY, f'"{secrets.token_hex(32)}"', house_now()))
        row = connection.execute(sql.SELECT_FACT, (PERSONAL_KEY,)).fetchone()
    return bytes.fromhex(row["value"].strip('"'))


def _say_opened(store: Store, applied: list[str], head: Head | None, link: Link) -> None:
    """Record the versions, and what was found of the head: lost, or behind by the rows that a crash cut off from it."""
    body = {
        "sqlite_version": sqlite3.sqlite_version,
        "has_wal_reset_fault": has_wal_reset_fault(),
        "migrations": applied,
        "rows_beyond_head": link.seq - head.link.seq if head else link.seq,
    }
    at = max(house_now(), store.last_time())
    with store.transaction():
        if head is None and link.seq > 0:
            store.record("audit:head-rebuilt", "audit", {"seq": link.seq}, SYSTEM, at, outcome="failure")
        store.record("store:opened", "store", body, SYSTEM, at)
