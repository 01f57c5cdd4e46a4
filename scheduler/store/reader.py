"""The read-only door to the store, for the web and the command line."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scheduler.store.batch_reads import BatchReads
from scheduler.store.connection import open_for_reading
from scheduler.store.forecast_reads import ForecastReads
from scheduler.store.healing_reads import HealingReads
from scheduler.store.joined_reads import JoinedReads
from scheduler.store.line_reads import LineReads
from scheduler.store.password_reads import PasswordReads
from scheduler.store.people_reads import PeopleReads
from scheduler.store.plan_reads import PlanReads
from scheduler.store.quality_reads import QualityReads
from scheduler.store.review_reads import ReviewReads
from scheduler.store.role_reads import RoleReads
from scheduler.store.sample_reads import SampleReads
from scheduler.store.upload_reads import UploadReads


class Reader(
    LineReads, RoleReads, PeopleReads, HealingReads, PlanReads, SampleReads, ForecastReads, QualityReads, UploadReads,
    BatchReads, JoinedReads,
    ReviewReads, PasswordReads,
):  # fmt: skip
    """All named reads. One Reader serves any number of threads: each gets its own read-only connection."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._local = threading.local()
        self._connected()

    @contextmanager
    def snapshot(self) -> Iterator[int]:
        """Reads of this thread inside the block see one moment; gives the log's last seq of that moment."""
        connection = self._connected()
        assert not connection.in_transaction, "a snapshot is open already"
        connection.execute("BEGIN")
        try:
            yield self.last_seq()
        finally:
            connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close this thread's connection; a later read opens another.

        Connections of ended threads close by themselves.
        """
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def _connected(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = open_for_reading(self.data_dir)
            self._local.connection = connection
        return connection


def open_reader(data_dir: Path) -> Reader:
    """A Reader of this data directory. Raises StoreFailed: `no_store`, `store_no_file`, `store_damaged`, `two_sqlites`.

    A read raises `store_outdated` where the daemon has not brought the database up to this version yet.
    """
    return Reader(Path(data_dir))
