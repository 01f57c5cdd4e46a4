"""What can go wrong in the store. Codes are stable; the status is what HTTP answers."""

from __future__ import annotations

import sqlite3
from typing import Any

from scheduler.errors import SchedulerError


class StoreFailed(SchedulerError):
    """The store cannot do this now; nothing was changed."""

    def __init__(
        self, reason: str, *, status: int = 500, code: str = "store_failed", hint: str = "", **data: Any
    ) -> None:
        super().__init__(status, code, reason, hint=hint, **data)


class DiskIsFull(StoreFailed):
    """The disk has no room for the change; reading goes on."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The disk is full ({reason}); nothing was changed.", status=507, code="disk_full",
            hint="Free space in the data directory; work goes on by itself.",
        )  # fmt: skip


class StoreBusy(StoreFailed):
    """Another process holds the database."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Another process holds the database ({reason}).", status=503, code="store_busy",
            hint="Only the daemon writes; close other programs that have greenroom.db open.",
        )  # fmt: skip


class StoreDamaged(StoreFailed):
    """The database file is damaged: nothing runs on it."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The database is damaged ({reason}).", code="store_damaged",
            hint="Keep a copy of the data directory and restore a backup.",
        )  # fmt: skip


class StoreOutdated(StoreFailed):
    """The database is of another version of the program: only the daemon, when it comes, brings it up to date."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The database is not of this version ({reason}).", status=503, code="store_outdated",
            hint="Start the studio anew, which brings it up to date: role_scheduler serve.",
        )  # fmt: skip


class AuditDamaged(StoreFailed):
    """The audit log does not verify: nothing is written on top of it."""

    def __init__(self, verdict: dict[str, Any]) -> None:
        super().__init__(
            f"The audit log does not verify: {verdict['message']}", code="audit_damaged",
            hint="Keep a copy of the data directory as evidence, then restore a backup.", verdict=verdict,
        )  # fmt: skip


class BadStatement(StoreFailed):
    """The store does not take a statement or its values: a fault of ours, not of the disk; the next one may be fine."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The store does not take this ({reason}); nothing was changed.", code="bad_statement",
                         hint="This is a fault of the program; the daemon's log has the details.")  # fmt: skip


class StoreConflict(SchedulerError):
    """What is written contradicts what is stored; nothing was changed. `story`: the audit lines of the object."""

    def __init__(self, code: str, message: str, *, story: tuple[str, ...] = (), hint: str = "") -> None:
        super().__init__(409, code, message, hint=hint, story=list(story))
        self.story = story


class BadQuery(SchedulerError):
    """A read asked for something that does not exist: a column to sort by, a page below 1."""

    def __init__(self, field: str, message: str, hint: str = "", **data: Any) -> None:
        super().__init__(422, "bad_query", message, field=field, hint=hint, **data)


_FULL = {sqlite3.SQLITE_FULL}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_MISSING = ("no such column", "no such table")  # SQLite has no code of its own for it
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def translated(error: sqlite3.Error) -> StoreFailed:
    """The scheduler's error for SQLite's. The extended code's low byte is the primary one."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _FULL:
        return DiskIsFull(str(error))
    if code in _BUSY:
        return StoreBusy(str(error))
    if code in _DAMAGED:
        return StoreDamaged(str(error))
    if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.InterfaceError | sqlite3.DataError):
        return BadStatement(f"{type(error).__name__}: {error}")
    if isinstance(error, sqlite3.OperationalError) and str(error).startswith(_MISSING):
        return StoreOutdated(str(error))
    return StoreFailed(f"The store failed ({type(error).__name__}: {error}); nothing was changed.")
