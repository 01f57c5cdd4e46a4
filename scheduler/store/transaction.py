"""The writer's transaction: BEGIN IMMEDIATE … COMMIT, one at a time, with the log's end kept in step."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scheduler.audit.append import Appender
from scheduler.audit.entry import ACTOR_GROUP, PERSON, ActorLike
from scheduler.audit.head import write_head
from scheduler.store.errors import StoreConflict, StoreFailed, translated
from scheduler.store.sql import audit as sql
from scheduler.store.sql.people import SELECT_GROUP

HEAD_INTERVAL_S = 0.25  # a rename per commit would cost a third of the commits; see docs/audit.md
CHECKPOINT_COMMITS = 100  # some 1,600 pages: a checkpoint writes them to the database and syncs it, 10 ms and more
_log = logging.getLogger("greenroom.store")


class Transactional:
    """The connection that writes. Every writing method needs an open transaction and refuses otherwise."""

    def __init__(self, connection: sqlite3.Connection, data_dir: Path, personal_key: bytes) -> None:
        self.data_dir = data_dir
        self._connection = connection
        self._chain = Appender(self._connection, personal_key)
        self._is_open = False
        self.head_interval_s = HEAD_INTERVAL_S
        self._published = self._chain.last
        self._published_at = float("-inf")
        self._commits = 0  # since the last checkpoint
        self.is_tended = False  # its owner calls `tend` when nobody waits for an answer; else each transaction does
        self.head_problem: str | None = None  # why `audit.head` could not be brought up to date

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing.

        Any exception rolls back and passes on; SQLite's errors become StoreFailed (`disk_full` and others).

        Not nestable: a part of a transaction that may fail on its own would hide half-done work.
        """
        assert not self._is_open, "a transaction is open already"
        before = self._chain.last
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._is_open = True
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            self._is_open = False
            self._chain.last = before
            self._roll_back()
            if isinstance(error, sqlite3.Error):
                raise translated(error) from error
            raise
        self._is_open = False
        self._commits += 1
        if not self.is_tended:
            self.tend()

    def tend(self) -> None:
        """What is due after commits and nobody has to wait for: the log's head, and the WAL back into the database."""
        assert not self._is_open, "a transaction is open"
        if self._chain.last != self._published and time.monotonic() - self._published_at >= self.head_interval_s:
            self._publish_head()
        if self._commits >= CHECKPOINT_COMMITS:
            self._checkpoint()

    def record(
        self,
        tag: str,
        subject: str,
        body: Mapping[str, Any],
        actor: ActorLike,
        at: float,
        *,
        outcome: str = "success",
    ) -> int:
        """Append an audit row and return its seq.

        Values under personal keys (prompt, context, …) are stored as keyed hashes. A person's row names, in its body, the group
        that the person is in just now (`actor_group`): groups change, and with them what somebody might do.
        """
        self._need_transaction()
        told = dict(body)
        if actor.name.startswith(PERSON):
            row = self._connection.execute(SELECT_GROUP, (actor.name.removeprefix(PERSON),)).fetchone()
            told |= {ACTOR_GROUP: row[0]} if row is not None else {}
        return self._chain.append(str(tag), subject, actor, at, outcome=outcome, body=told)

    def story_lines(self, subject: str) -> tuple[str, ...]:
        """The object's audit rows as short lines, for errors."""
        rows = self._connection.execute(sql.SELECT_STORY, (subject, subject)).fetchall()
        return tuple(_line(dict(row)) for row in rows)

    def conflict(self, code: str, message: str, subject: str) -> StoreConflict:
        """A refusal that carries the object's story."""
        return StoreConflict(code, message, story=self.story_lines(subject))

    def _write(self, statement: str, values: Sequence[Any] | Mapping[str, Any]) -> sqlite3.Cursor:
        self._need_transaction()
        return self._connection.execute(statement, values)

    def _need_transaction(self) -> None:
        if not self._is_open:
            raise StoreFailed("A write needs an open transaction.", code="no_transaction")

    def _roll_back(self) -> None:
        """A rollback that cannot hide the error that led to it."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            _log.error("rollback failed: %s", error)

    def _checkpoint(self) -> None:
        """A disk that refuses costs nothing but room: what was committed stands in the WAL, the next one takes it along."""
        self._commits = 0
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            _log.warning("the WAL was not taken into the database: %s", error)

    def _publish_head(self) -> None:
        """Bring `audit.head` up to date.

        The commit stands even when the disk refuses: an older head proves less, not wrongly.
        """
        self._published_at = time.monotonic()
        try:
            write_head(self.data_dir, self._chain.last)
            self._published, self.head_problem = self._chain.last, None
        except OSError as error:
            self.head_problem = str(error)
            _log.warning("audit.head stays behind: %s", error)


def _line(row: dict[str, Any]) -> str:
    body = json.loads(row["body"])
    move = f" {body['from']} → {body['to']}" if "from" in body and "to" in body else ""
    return f"{row['seq']} {row['at_utc']} {row['action']}{move} by {row['actor']}"
