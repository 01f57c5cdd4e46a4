"""Which details of an audit row are points in time: people read them as times, the chain keeps them as numbers."""

from __future__ import annotations

from typing import Any

_ENDINGS = ("_at", "_until", "until", "not_before")
_FIRST_TIME = 1e9  # seconds since 1970; smaller numbers are lengths of time


def is_time(name: str, value: Any) -> bool:
    """Is this detail a point in time, in seconds since 1970?"""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and value >= _FIRST_TIME and name.endswith(_ENDINGS)
