"""Errors in the reader's language: English is what was said; Chinese has a sentence per code (`scheduler.refusal_words`), where
the pages have words of their own for a code (`fail.`) those. `{lines}` are complaints about a file, one per line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import has_request_context

from dashboard import i18n
from scheduler import refusal_words
from scheduler.prompts import remark_in_chinese
from scheduler.refusal_words import chinese


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
    return refusal_words.in_chinese(code, field, data, otherwise=i18n.catalogue("zh-CN").get(f"fail.{code}"))


def in_both(code: str, message: str, hint: str = "", **data: Any) -> dict[str, str]:
    """`{"en", "zh"}`, for what goes to everybody's pages at once."""
    english = message if not hint or hint in message else f"{message} {hint}"
    return {"en": english, "zh": in_chinese(code, None, data) or english}


def told_problems(body: Mapping[str, Any]) -> str:
    """What an audit row says of a refused file: its problems in the reader's language, else its message as it was said."""
    problems = body.get("problems") or []
    return "\n".join(told_line(one) for one in problems) or str(body.get("message") or "")


def told_remarks(warnings: Sequence[str], remarks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sentences about what is accepted all the same, in the reader's language; `remarks` are the code and data of each."""
    if not has_request_context() or i18n.language() == "en":
        return list(warnings)
    said = zip(warnings, remarks, strict=True)
    return [remark_in_chinese(one["code"], one["data"]) or text for text, one in said]


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
