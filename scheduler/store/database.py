"""sqlite-utils, imported without numpy and pandas.

It looks for both only to know their number types, which nobody here stores; but a daemon that comes back after a crash would
spend a quarter of its start on them. Whoever needs them imports them as usual afterwards.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def hidden(*names: str) -> Iterator[None]:
    """Modules that are not loaded yet cannot be imported meanwhile."""
    missing = [name for name in names if name not in sys.modules]
    for name in missing:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in missing:
            del sys.modules[name]


with hidden("numpy", "pandas"):
    from sqlite_utils import Database, Migrations

__all__ = ["Database", "Migrations"]
