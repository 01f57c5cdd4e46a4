"""Profiles of a batch: a JSON list, one object, or one object per line. A line with a mistake says so and spoils no other."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

MAX_ITEMS = 200  # of one batch
MAX_NAME = 60
# Names of the published profiles → fields of a request. Their values are file names, looked up beside the profile.
FILES = {"image": "portrait", "audio": "voice"}
_ABOUT = frozenset({"name"})  # of the item, not of the request


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One video of a batch. `files`: kind → name of a file beside it. `error`: why it cannot be read."""

    source: str
    number: int  # 1, 2, …: of the item in its file, or its line
    name: str  # of the output
    request: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    error: dict[str, Any] | None = None


def read_profiles(text: str, source: str) -> list[Profile]:
    """The profiles of a file's text, in order. What cannot be read is a profile with an `error`."""
    whole = text.lstrip("\ufeff").strip()
    if not whole:
        return [_bad(source, 1, "empty_file", "The file is empty.", 'Write a list: [{"role": "teacher"}, …].')]
    try:
        data = json.loads(whole, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        lines = [(number, line) for number, line in enumerate(whole.splitlines(), start=1) if line.strip()]
        per_line = _is_object(lines[0][1]) or all(line.lstrip().startswith("{") for _, line in lines)
        if len(lines) > 1 and per_line:  # each line is told by itself
            return [_line(source, number, line) for number, line in lines]
        line = getattr(error, "lineno", 1)
        return [_bad(source, line, "no_json", f"This is no JSON: {str(error) or 'nested too deeply'}.", line=line)]
    if isinstance(data, dict) and isinstance(data.get("profiles"), list):
        data = data["profiles"]
    items = data if isinstance(data, list) else [data]
    if not items:
        return [_bad(source, 1, "empty_file", "The list is empty.", 'Write a list: [{"role": "teacher"}, …].')]
    stem = PurePosixPath(source).stem
    return [_profile(source, number, item, stem, len(items)) for number, item in enumerate(items, start=1)]


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _line(source: str, number: int, line: str) -> Profile:
    try:
        return _profile(source, number, json.loads(line, object_pairs_hook=_without_duplicates), PurePosixPath(source).stem, 2)
    except (ValueError, RecursionError) as error:
        return _bad(source, number, "no_json", f"This line is no JSON: {str(error) or 'nested too deeply'}.", line=number)


def _profile(source: str, number: int, item: Any, stem: str, count: int) -> Profile:
    if not isinstance(item, dict):
        said = f"A profile is an object, not {str(item)!r:.40}."
        return _bad(source, number, "no_object", said, 'For example {"role": "teacher"}.')
    name = item.get("name", stem if count == 1 else f"{stem}-{number}")
    if not isinstance(name, str) or not is_name(name):
        hint = f"Use 1 to {MAX_NAME} letters, digits, spaces and . _ - for it."
        return _bad(source, number, "bad_name", f"name {name!r:.70} cannot be the name of a video.", hint, "name", most=MAX_NAME)
    files = {}
    for theirs, ours in FILES.items():
        if theirs in item:
            if ours in item or not isinstance(item[theirs], str) or not item[theirs]:
                return _bad(source, number, "no_file_name", f"{theirs} must be the name of one file.", "", theirs)
            files[ours] = item[theirs]
    if "prompt" in item:
        hint = "Give a role, and in context the values of its template's variables."
        return _bad(source, number, "own_prompt", "prompt: a video takes its words from its role.", hint, "prompt")
    request = {key: value for key, value in item.items() if key not in FILES and key not in _ABOUT and value is not None}
    return Profile(source=source, number=number, name=name, request=request, files=files)


def is_name(name: str) -> bool:
    """May a finished video be called so? A name is never a path."""
    allowed = all(c.isalnum() or c in " ._-" for c in name)
    return 0 < len(name) <= MAX_NAME and allowed and not name.startswith((".", " ")) and name == name.strip()


def _bad(
    source: str, number: int, problem: str, message: str, hint: str = "", at: str | None = None, **data: int
) -> Profile:  # fmt: skip
    """A profile that cannot be read. `problem` and `data` say the same for pages in another language."""
    error = {"code": "bad_profile", "message": message, "field": at, "hint": hint, "data": {"problem": problem, **data}}
    return Profile(source=source, number=number, name=PurePosixPath(source).stem[:MAX_NAME] or "profile", error=error)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {name!r} appears twice")
        found[name] = value
    return found
