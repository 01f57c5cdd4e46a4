"""Refusals and failures in Chinese: a sentence per code, the way out with it, filled with the error's data.

An entry is looked for by `code.problem.field`, `code.problem` (what exactly is wrong), `code.field`, then by `code`. Figures
that are complaints themselves (`why`: code and data) are told first. No entry quotes the English sentence: what only that one
could tell needs a code of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_TABLE = Path(__file__).resolve().with_name("refusals.zh-CN.json")


@cache
def chinese() -> dict[str, str]:
    """`code` or `code.field` → what it says in Chinese, the way out with it."""
    words: dict[str, str] = json.loads(_TABLE.read_text(encoding="utf-8"))
    return words


def in_chinese(code: str, field: str | None, data: Mapping[str, Any], *, otherwise: str | None = None) -> str | None:
    """The sentence of a code, filled in; None where there is none, or a figure is missing. `otherwise`: a caller's own words for
    the code, where the table has none for its problem or field."""
    entry = _entry(code, field, str(data.get("problem", "")), otherwise)
    if entry is None:
        return None
    try:
        return entry.format_map({**{name: _spoken(value) for name, value in data.items()}, "field": field or "–"})
    except KeyError:
        return None


def told_apart(sentence: str) -> tuple[str, str]:
    """(what is wrong, the way out) of a Chinese sentence; the way out is empty where it has none."""
    what, _, way_out = sentence.partition("。")
    return what, way_out


def _entry(code: str, field: str | None, problem: str, otherwise: str | None) -> str | None:
    own = chinese()
    keys = (f"{code}.{problem}.{field}", f"{code}.{problem}", f"{code}.{field}")
    return next((own[key] for key in keys if key in own), None) or otherwise or own.get(code)


def _spoken(value: Any) -> Any:
    """A figure as a sentence has it: names beside each other, a complaint within a complaint in words."""
    if isinstance(value, list):
        return "、".join(map(str, value))
    if isinstance(value, Mapping) and "code" in value:
        return in_chinese(str(value["code"]), None, value.get("data") or {}) or ""
    return value
