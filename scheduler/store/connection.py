"""Opening the database: one connection writes and checkpoints, every other one is read-only.

SQLite up to 3.51.2 can damage a WAL when two connections write or checkpoint at the same moment; one writer and
`mode=ro` readers keep clear of that whatever the version. Two SQLite libraries in one process break each other's
file locks: sqlite-utils would silently take pysqlite3 where it is installed, which `assert_one_sqlite` refuses.

Only who makes the schema needs sqlite-utils (`scheduler.store.opening`): loading it is a tenth of a start.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

from scheduler.audit.guards import authorize
from scheduler.audit.snapshot import DATABASE_NAME, refuse_no_file
from scheduler.store.errors import StoreFailed, translated

BUSY_TIMEOUT_MS = 5000
CHECKPOINT_PAGES = 4000  # within a commit, and only where the checkpoints between commits did not keep up
FIXED_WAL = (3, 51, 3)


def assert_one_sqlite() -> None:
    """Raise StoreFailed `two_sqlites` when this process would use two SQLite libraries on one file."""
    loaded = sys.modules.get("sqlite_utils.utils")  # who only reads has not loaded it
    if loaded is not None and getattr(loaded, "sqlite3", None) is not sqlite3:
        raise StoreFailed(
            "sqlite-utils uses another SQLite library than this program.", code="two_sqlites",
            hint="Uninstall pysqlite3: two SQLite libraries in one process break each other's locks.",
        )  # fmt: skip
    maps = Path("/proc/self/maps")
    if maps.exists():
        lines = maps.read_text(encoding="utf-8", errors="replace").splitlines()
        found = {line.split(maxsplit=5)[5] for line in lines if "libsqlite3" in line}
        if len(found) > 1:
            raise StoreFailed(f"Two SQLite libraries are loaded: {', '.join(sorted(found))}.", code="two_sqlites")


def has_wal_reset_fault() -> bool:
    """Whether this SQLite has the fault that one single writer avoids."""
    return sqlite3.sqlite_version_info < FIXED_WAL


def open_for_writing(data_dir: Path) -> sqlite3.Connection:
    """The writer's connection: WAL, synchronous=FULL, explicit transactions only. Raises StoreFailed, `store_no_file`.

    The authorizer is not set yet: migrations come first, then `guard`.
    """
    assert_one_sqlite()
    path = data_dir / DATABASE_NAME
    refuse_no_file(path)
    try:
        path.touch(mode=0o600)  # the WAL takes its rights from the database file
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
        for pragma in (
            "recursive_triggers=1", f"busy_timeout={BUSY_TIMEOUT_MS}", "journal_mode=WAL", "synchronous=FULL",
            "foreign_keys=1", f"wal_autocheckpoint={CHECKPOINT_PAGES}",
        ):  # fmt: skip
            connection.execute(f"PRAGMA {pragma}")
    except OSError as error:
        raise StoreFailed(f"{path} cannot be written: {error.strerror}.", code="store_failed") from error
    except sqlite3.Error as error:
        raise translated(error) from error
    return connection


def guard(connection: sqlite3.Connection) -> None:
    """From here on this connection can change neither the schema nor a written audit row."""
    # Its first use declares a virtual table, which the authorizer would take for a change of the schema.
    connection.execute("SELECT count(*) FROM json_each('[]')").fetchone()
    connection.set_authorizer(authorize)


def open_for_reading(data_dir: Path) -> sqlite3.Connection:
    """A read-only connection for the calling thread. Raises StoreFailed `no_store`, `store_no_file` when there is no database."""
    assert_one_sqlite()
    path = data_dir / DATABASE_NAME
    refuse_no_file(path)
    if not path.is_file():
        raise StoreFailed(
            f"There is no {DATABASE_NAME} in {data_dir}.", status=404, code="no_store",
            hint="Start the studio there first: role_scheduler serve.",
        )  # fmt: skip
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA query_only=1")
        connection.row_factory = sqlite3.Row
    except sqlite3.Error as error:
        raise translated(error) from error
    return connection
