"""The real daemon, for the power-cut rig: `python -m benchmarks.cut_daemon MODE PAGES -- ARGUMENTS OF THE DAEMON`.

MODE is `full` (as shipped), or what is wrong on purpose, so that the rig can be seen to notice: `normal`, `off` (SQLite's
synchronous), `no_file_sync` (block files are renamed without fsync), `no_directory_sync`. PAGES: WAL pages per checkpoint
within a commit, 0 for what is shipped.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path

MODES = ("full", "normal", "off", "no_file_sync", "no_directory_sync")
VARIABLE = "GREENROOM_CUT_MODE"


def spoil_store(mode: str, checkpoint_pages: int) -> None:
    """The store's connection, with other pragmas than shipped."""
    from scheduler.store import opening

    original = opening.open_for_writing

    def open_spoilt(data_dir: Path) -> sqlite3.Connection:
        connection = original(data_dir)
        if checkpoint_pages:
            connection.execute(f"PRAGMA wal_autocheckpoint={checkpoint_pages}")
        if mode in ("normal", "off"):
            connection.execute(f"PRAGMA synchronous={mode.upper()}")
        return connection

    opening.open_for_writing = open_spoilt


def spoil_files(mode: str) -> None:
    """Block files without one of their syncs, in a worker."""
    from engine.media import durable

    original = durable.sync

    def sync_less(path: Path) -> None:
        if path.is_dir() != (mode == "no_directory_sync"):
            original(path)

    if mode in ("no_file_sync", "no_directory_sync"):
        durable.sync = sync_less


def main(arguments: list[str]) -> int:
    """Be the daemon (or, as `worker`, its scripted worker)."""
    if arguments[0] == "worker":
        spoil_files(os.environ[VARIABLE])
        from engine.fake import main as work

        return work(arguments[1:])
    mode, pages = arguments[0], int(arguments[1])
    os.environ[VARIABLE] = mode
    spoil_store(mode, pages)
    from scheduler import daemon, worker_link

    def program(module: str, *rest: str) -> list[str]:
        return [sys.executable, "-m", "benchmarks.cut_daemon", "worker", *rest]

    if mode.startswith("no_"):
        worker_link.python_module = program
    sys.argv = ["scheduler.daemon", *arguments[3:]]
    daemon.main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
