"""Writes the whole log to a file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from scheduler.audit.append import last_link
from scheduler.audit.chain import Link
from scheduler.audit.ecs import COLUMNS
from scheduler.audit.export_format import export_lines, write_export
from scheduler.audit.snapshot import audit_snapshot

SELECT_ALL = f"SELECT {', '.join(COLUMNS)} FROM audit ORDER BY seq"


def export_log(data_dir: Path, path: Path, format: str = "jsonl") -> Link:
    """Write every row and the head to `path` ("jsonl" or "csv"); returns the head. The file is complete or not there.

    SchedulerError `no_store` or `bad_format`, OSError when the file cannot be written.
    """
    with audit_snapshot(data_dir) as connection:
        connection.row_factory = sqlite3.Row
        link = last_link(connection)
        rows = (dict(row) for row in connection.execute(SELECT_ALL))
        write_export(path, export_lines(rows, link, format, is_complete=True))
    return link
