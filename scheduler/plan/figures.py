"""Figures as the sentences of a plan say them, and as people type them."""

from __future__ import annotations

import unicodedata


def size_text(count: float) -> str:
    """`1.5 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def time_text(seconds: float) -> str:
    """`42 s`, `3.5 min`, `2.1 h`."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def length_text(seconds: float) -> str:
    """`1:30` from a minute on, else `12.5 s`."""
    return f"{seconds:g} s" if seconds < 60 else f"{int(seconds // 60)}:{seconds % 60:02.0f}"


def half_width(text: str) -> str:
    """The text with the digits and signs that a Chinese keyboard makes wide as ordinary ones."""
    return unicodedata.normalize("NFKC", text)
