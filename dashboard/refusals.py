"""Errors in the reader's language: English is what was said; Chinese has a sentence per code, filled with the error's data.

An entry is looked for by `code.problem` (what exactly is wrong with a value), by `code.field`, then by `code`. `{said}` is the
English sentence itself, for what only it can tell.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from flask import has_request_context

from dashboard import i18n

_CHINESE = i18n.HERE / "refusals.zh-CN.json"


@cache
def chinese() -> dict[str, str]:
    """`code` or `code.field` → what it says in Chinese, the way out with it."""
    words: dict[str, str] = json.loads(_CHINESE.read_text(encoding="utf-8"))
    return words


def told(code: str, message: str, field: str | None = None, hint: str = "", **data: Any) -> tuple[str, str]:
    """(message, hint) for this request's reader. What lacks a word or a figure stays English: wrong would be worse."""
    if problems := data.get("problems"):  # of a file that somebody wrote: all of them, line by line
        message, hint = "\n".join(_line(one) for one in problems), ""
    if not has_request_context() or i18n.language() == "en":
        return message, hint
    if chosen := (data.get("text") or {}).get("zh"):
        return str(chosen), ""
    entry = _entry(code, field, str(data.get("problem", "")))
    if entry is None:
        return message, hint
    said = message if not hint or hint in message else f"{message} {hint}"
    try:
        return entry.format_map({**data, "field": field or "–", "said": said}), ""
    except KeyError:
        return message, hint


def _line(problem: Mapping[str, Any]) -> str:
    """A complaint about a file, with its line."""
    if has_request_context() and i18n.language() != "en":
        code, data = problem.get("code", ""), problem.get("data") or {}
        entry = _entry("line", data.get("named"), code) if f"line.{code}" in chinese() else None
        if entry is not None:
            return f"第 {problem['line']} 行：{entry.format_map({**data, 'path': problem['path']})}"
    where = f"{problem['path']}: " if problem["path"] else ""
    return f"line {problem['line']}, column {problem['column']}: {where}{problem['message']} {problem['hint']}".rstrip()


def _entry(code: str, field: str | None, problem: str) -> str | None:
    shared = i18n.catalogue("zh-CN")
    own = chinese()
    for found in (own.get(f"{code}.{problem}"), own.get(f"{code}.{field}"), shared.get(f"fail.{code}"), own.get(code)):
        if found is not None:
            return found
    return None


def told_remarks(warnings: Sequence[str], remarks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sentences about what is accepted all the same, in the reader's language; `remarks` are the code and data of each."""
    said = zip(warnings, remarks, strict=True)
    return [told(f"remark.{one['code']}", text, **_listed(one["data"]))[0] for text, one in said]


def _listed(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: "、".join(map(str, value)) if isinstance(value, list) else value for name, value in data.items()}


def told_item(error: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """An error inside an answer (one line of a batch), in the reader's language."""
    if error is None:
        return None
    others = {name: value for name, value in error.items() if name not in ("code", "message", "field", "hint", "status", "data")}
    message, hint = told(
        str(error.get("code", "")), str(error.get("message", "")), error.get("field"), str(error.get("hint") or ""),
        **{**others, **(error.get("data") or {})},
    )  # fmt: skip
    return {**error, "message": message, "hint": hint}
