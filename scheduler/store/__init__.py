"""The SQLite store: schema as migrations, named queries, the only UPDATE of job state."""

from __future__ import annotations

from scheduler.store.errors import StoreConflict, StoreFailed
from scheduler.store.job_writes import NewJob
from scheduler.store.reader import Reader, open_reader
from scheduler.store.reads import Page
from scheduler.store.role_writes import RolesChange
from scheduler.store.writer import Store, open_writer

__all__ = [
    "NewJob",
    "Page",
    "Reader",
    "RolesChange",
    "Store",
    "StoreConflict",
    "StoreFailed",
    "open_reader",
    "open_writer",
]
