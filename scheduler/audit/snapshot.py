"""A read-only look at the log in one snapshot."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from scheduler.errors import SchedulerError

DATABASE_NAME = "greenroom.db"


@contextmanager
def audit_snapshot(data_dir: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection inside one read transaction. SchedulerError `no_store` when there is no database."""
    path = data_dir / DATABASE_NAME
    if not path.is_file():
        raise SchedulerError(
            404, "no_store", f"There is no {DATABASE_NAME} in {data_dir}.", hint="Name the data directory with --data."
        )
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        connection.execute("BEGIN")  # a read transaction: chain and head are of one moment
        yield connection
