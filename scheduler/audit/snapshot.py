"""A read-only look at the log in one snapshot."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from engine.regular_file import is_no_file
from scheduler.errors import SchedulerError

DATABASE_NAME = "greenroom.db"


def refuse_no_file(path: Path) -> None:
    """SchedulerError `store_no_file` where a pipe, a device or a folder lies in the place of the database."""
    if is_no_file(path):
        hint = "Move it away, then bring the database back from a backup, or start anew: role_scheduler serve."
        raise SchedulerError(500, "store_no_file", f"{path} is no regular file.", hint=hint)


@contextmanager
def audit_snapshot(data_dir: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection inside one read transaction. SchedulerError `no_store`, `store_no_file` without a database."""
    path = data_dir / DATABASE_NAME
    refuse_no_file(path)
    if not path.is_file():
        raise SchedulerError(
            404, "no_store", f"There is no {DATABASE_NAME} in {data_dir}.", hint="Name the data directory with --data."
        )
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        connection.execute("BEGIN")  # a read transaction: chain and head are of one moment
        yield connection
