"""The ground of all named reads: rows come back as plain dicts, SQLite's errors as StoreFailed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scheduler.store.errors import BadQuery, translated

MAX_PER_PAGE = 500
Row = dict[str, Any]
Params = Sequence[Any] | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list. `total`: rows in all; `page` counts from 1."""

    rows: list[Row]
    total: int
    page: int
    per_page: int

    @property
    def pages(self) -> int:
        """How many pages there are, at least 1."""
        return max(1, -(-self.total // self.per_page))


class Reads:
    """Base of the read areas. A subclass says which connection to use."""

    def _connected(self) -> sqlite3.Connection:
        raise NotImplementedError

    def _each(self, statement: str, params: Params = ()) -> Iterator[Row]:
        try:
            for row in self._connected().execute(statement, params):
                yield dict(row)
        except sqlite3.Error as error:
            raise translated(error) from error

    def _rows(self, statement: str, params: Params = ()) -> list[Row]:
        return list(self._each(statement, params))

    def _row(self, statement: str, params: Params = ()) -> Row | None:
        rows = self._rows(statement, params)
        return rows[0] if rows else None

    def _value(self, statement: str, params: Params = ()) -> Any:
        row = self._row(statement, params)
        return None if row is None else next(iter(row.values()))


def checked_page(page: int, per_page: int) -> tuple[int, int]:
    """(limit, offset); BadQuery for a page below 1 or a page size outside 1 … 500."""
    if page < 1:
        raise BadQuery("page", f"Pages are numbered from 1, not {page}.")
    if not 1 <= per_page <= MAX_PER_PAGE:
        raise BadQuery("per_page", f"per_page {per_page} is not possible.", f"Use 1 … {MAX_PER_PAGE}.", most=MAX_PER_PAGE)
    if page > 10**9:
        raise BadQuery("page", f"There is no page {page}.", "Go back to the first.")
    return per_page, (page - 1) * per_page


def like_pattern(text: str) -> str:
    """A LIKE pattern (escape `\\`) for "contains this text"."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
