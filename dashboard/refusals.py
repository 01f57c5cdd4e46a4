"""Errors in the reader's language: English is what was said; Chinese has a sentence per code, filled with the error's data.

An entry is looked for by `code.problem.field`, `code.problem` (what exactly is wrong), `code.field`, then by `code`. Figures
that are complaints themselves (`why`: code and data) are told first, `{lines}` are those about a file, one per line. No entry
quotes the English sentence: what only that one could tell needs a code of its own.
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
    """(message, hint) for this request's reader. What lacks a word or a figure stays English: wrong would be worse.

    `part`: the part of a session that it is about; the English sentence names it already.
    """
    if problems := data.get("problems"):  # of a file that somebody wrote: all of them, line by line
        data["lines"] = "\n".join(told_line(one) for one in problems)
        message, hint = data["lines"], ""
    if not has_request_context() or i18n.language() == "en":
        return message, hint
    if chosen := (data.get("text") or {}).get("zh"):
        return str(chosen), ""
    sentence = in_chinese(code, field, data)
    if sentence is None:
        return message, hint
    return (f"第 {data['part']} 段：{sentence}" if "part" in data else sentence), ""


def told_line(problem: Mapping[str, Any]) -> str:
    """A complaint about a file, with its line where it has one."""
    line = problem["line"]
    if has_request_context() and i18n.language() != "en" and f"line.{problem.get('code')}" in chinese():
        data = problem.get("data") or {}
        sentence = in_chinese("line", data.get("named"), {**data, "problem": problem["code"], "path": problem["path"]})
        if sentence is not None:
            return f"第 {line} 行：{sentence}" if line else sentence
    place = f"line {line}, column {problem['column']}: " if line else ""
    where = f"{problem['path']}: " if problem["path"] else ""
    return f"{place}{where}{problem['message']} {problem['hint']}".rstrip()


def in_chinese(code: str, field: str | None, data: Mapping[str, Any]) -> str | None:
    """The sentence of a code, filled in; None where there is none, or a figure is missing."""
    entry = _entry(code, field, str(data.get("problem", "")))
    if entry is None:
        return None
    try:
        return entry.format_map({**{name: _spoken(value) for name, value in data.items()}, "field": field or "–"})
    except KeyError:
        return None


def _spoken(value: Any) -> Any:
    """A figure as a sentence has it: names beside each other, a complaint within a complaint in words."""
    if isinstance(value, list):
        return "、".join(map(str, value))
    if isinstance(value, Mapping) and "code" in value:
        return in_chinese(str(value["code"]), None, value.get("data") or {}) or ""
    return value


def in_both(code: str, message: str, hint: str = "", **data: Any) -> dict[str, str]:
    """`{"en", "zh"}`, for what goes to everybody's pages at once."""
    english = message if not hint or hint in message else f"{message} {hint}"
    return {"en": english, "zh": in_chinese(code, None, data) or english}


def told_problems(body: Mapping[str, Any]) -> str:
    """What an audit row says of a refused file: its problems in the reader's language, else its message as it was said."""
    problems = body.get("problems") or []
    return "\n".join(told_line(one) for one in problems) or str(body.get("message") or "")


def _entry(code: str, field: str | None, problem: str) -> str | None:
    shared = i18n.catalogue("zh-CN")
    own = chinese()
    keys = (f"{code}.{problem}.{field}", f"{code}.{problem}", f"{code}.{field}")
    return next((own[key] for key in keys if key in own), None) or shared.get(f"fail.{code}") or own.get(code)


def told_remarks(warnings: Sequence[str], remarks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sentences about what is accepted all the same, in the reader's language; `remarks` are the code and data of each."""
    said = zip(warnings, remarks, strict=True)
    return [told(f"remark.{one['code']}", text, **one["data"])[0] for text, one in said]


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
