"""Lists for spreadsheets and programs: UTF-8 with a mark that Excel knows, no cell that a spreadsheet would compute."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dashboard import formats

TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def as_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], times: frozenset[str]) -> Iterator[str]:
    """Line by line. `times`: columns in seconds since 1970, written as UTC text."""
    yield "\ufeff" + _line(columns)
    for row in rows:
        yield _line([formats.utc(row[name]) if name in times else _safe(row[name]) for name in columns])


def as_json(rows: Iterable[Mapping[str, Any]], times: frozenset[str]) -> Iterator[str]:
    """One list, an object per line."""
    yield "["
    for number, row in enumerate(rows):
        shown = {name: formats.utc(value) or None if name in times else value for name, value in row.items()}
        yield (",\n" if number else "") + json.dumps(shown, ensure_ascii=False)
    yield "]\n"


def _line(values: Iterable[Any]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(values)
    return buffer.getvalue()


def _safe(value: Any) -> Any:
    """A leading apostrophe makes text of what would be a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value
