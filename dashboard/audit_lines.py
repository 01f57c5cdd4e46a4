"""An audit row's details for people: nested names with dots, points in time as times. The export has them as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_TIMES = ("_at", "_until", "until", "not_before")  # how names of points in time end; seconds since 1970
_FIRST_TIME = 1e9  # smaller numbers are lengths of time


def lines_of(body: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any, bool]]:
    """(name, value, is it a point in time) of every detail; lists as JSON."""
    for name, value in body.items():
        if isinstance(value, Mapping) and value:
            yield from lines_of(value, f"{prefix}{name}.")
        elif is_time(name, value):
            yield f"{prefix}{name}", value, True
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), False


def is_time(name: str, value: Any) -> bool:
    """Is this detail a point in time?"""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and value >= _FIRST_TIME and name.endswith(_TIMES)
