"""The one writer: everything a reader can do, plus all changes."""

from __future__ import annotations

import logging
import secrets
import sqlite3
from pathlib import Path
from types import TracebackType

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
from scheduler.store.device_reads import DeviceReads
from scheduler.store.device_writes import DeviceWrites
from scheduler.store.errors import AuditDamaged, StoreDamaged, translated
from scheduler.store.forecast_reads import ForecastReads
from scheduler.store.forecast_writes import ForecastWrites
from scheduler.store.healing_reads import HealingReads
from scheduler.store.healing_writes import HealingWrites
from scheduler.store.job_reads import JobReads
from scheduler.store.job_writes import JobWrites
from scheduler.store.migrations import migrations
from scheduler.store.password_reads import PasswordReads
from scheduler.store.password_writes import PasswordWrites
from scheduler.store.people_reads import PeopleReads
from scheduler.store.people_writes import PeopleWrites
from scheduler.store.plan_reads import PlanReads
from scheduler.store.plan_writes import PlanWrites
from scheduler.store.quality_reads import QualityReads
from scheduler.store.quality_writes import QualityWrites
from scheduler.store.review_reads import ReviewReads
from scheduler.store.review_writes import ReviewWrites
from scheduler.store.role_reads import RoleReads
from scheduler.store.role_writes import RoleWrites
from scheduler.store.sql import devices as sql
from scheduler.store.sql.devices import PERSONAL_KEY
from scheduler.store.upload_reads import UploadReads
from scheduler.store.upload_writes import UploadWrites

ROWS_CHECKED_AT_START = 10_000
_log = logging.getLogger("greenroom.store")


class Store(
    JobWrites, RoleWrites, PeopleWrites, DeviceWrites, HealingWrites, PlanWrites, ForecastWrites, QualityWrites, UploadWrites,
    ReviewWrites, PasswordWrites,
    JobReads, RoleReads, PeopleReads, DeviceReads, HealingReads, PlanReads, ForecastReads, QualityReads, UploadReads, ReviewReads,
    PasswordReads,
):  # fmt: skip
    """The writer's store. Reads see the open transaction. Used by one thread at a time."""

    def close(self) -> None:
        """Close the log's head and the database. Nothing may be added to the log until the next `open_writer`."""
        self._connection.close()
        try:
            write_head(self.data_dir, self._chain.last, is_closed=True)
        except OSError as error:
            _log.warning("audit.head is not marked as closed: %s", error)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connected(self) -> sqlite3.Connection:
        return self._connection


def open_writer(data_dir: Path) -> Store:
    """Open (or make) the store of a data directory for writing: migrations applied, end of the log verified.

    The caller makes sure that it is the only one (the daemon's lock). Writes one row, `store:opened`, with the
    versions. Raises StoreFailed: `store_damaged`, `audit_damaged`, `disk_full`, `store_busy`, `two_sqlites`.
    """
    data_dir = Path(data_dir)
    data_dir.mkdir(parents=True, exist_ok=True)
    head = read_head(data_dir)  # before the database: it is never ahead
    database = open_for_writing(data_dir)
    try:
        _migrate(database)
        link = _checked_log(database.conn, head)
        if link.seq == 0:
            write_head(data_dir, link)
        guard(database)
        database.conn.row_factory = sqlite3.Row
        store = Store(database, data_dir, _personal_key(database.conn))
        _say_opened(store, head, link)
    except sqlite3.Error as error:
        database.close()
        raise translated(error) from error
    except BaseException:
        database.close()
        raise
    return store


def _migrate(database: Database) -> None:
    """All pending migrations in one transaction: the old schema or the new one, never half."""
    if not migrations.pending(database):
        return
    database.conn.execute("BEGIN IMMEDIATE")
    try:
        migrations.apply(database)
        database.conn.execute("COMMIT")
    except BaseException:
        database.rollback()
        raise


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


def _say_opened(store: Store, head: Head | None, link: Link) -> None:
    """Record the versions, and what was found of the head: lost, or behind by the rows that a crash cut off from it."""
    body = {
        "sqlite_version": sqlite3.sqlite_version,
        "has_wal_reset_fault": has_wal_reset_fault(),
        "migrations": [migration.name for migration in migrations.applied(store._db)],
        "rows_beyond_head": link.seq - head.link.seq if head else link.seq,
    }
    at = max(house_now(), store.last_time())
    with store.transaction():
        if head is None and link.seq > 0:
            store.record("audit:head-rebuilt", "audit", {"seq": link.seq}, SYSTEM, at, outcome="failure")
        store.record("store:opened", "store", body, SYSTEM, at)
