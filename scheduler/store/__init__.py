"""The SQLite store: schema as migrations, named queries, the only UPDATE of job state.

The daemon opens it by `scheduler.store.opening`, which loads sqlite-utils; everybody else reads and goes without.
"""

from __future__ import annotations

from scheduler.store.errors import StoreConflict, StoreFailed
from scheduler.store.job_writes import NewJob
from scheduler.store.reader import Reader, open_reader
from scheduler.store.reads import Page
from scheduler.store.role_writes import RolesChange
from scheduler.store.writer import Store

__all__ = [
    "NewJob",
    "Page",
    "Reader",
    "RolesChange",
    "Store",
    "StoreConflict",
    "StoreFailed",
    "open_reader",
]
