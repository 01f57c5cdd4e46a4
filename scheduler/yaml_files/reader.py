"""YAML from people, read with the line of every value, within limits that no file can get round.

Only what a settings file needs: maps with text keys, lists, text, numbers, true/false and null as in YAML 1.2 (`no`
and `on` are text, `010` is ten, a date is text). Anchors, aliases, tags, merges, duplicate keys and several
documents are refused: the first two are how a small file becomes a large one, a tag is how it becomes code. The
file is read as a stream of events and left at the first offence.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from engine.regular_file import open_regular

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # only its parser is used: events, no objects
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a file. Line and column count from 1, 0: nowhere; `path` is where in the data (`teacher.priority`)."""

    line: int
    column: int
    path: str
    message: str
    hint: str = ""
    code: str = ""  # which complaint it is, and its `data`: for pages in another language
    data: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"line {self.line}, column {self.column}: {where}{self.message} {self.hint}".rstrip()


class YamlError(ValueError):
    """The file cannot be read. `problem` says where, why and what to do."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(slots=True)
class Node:
    """A value and where it stands. `value`: text, number, flag or None; dict of Nodes; list of Nodes."""

    value: Any
    line: int
    column: int
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)  # of a map: where each key stands
    is_block: bool = False  # text written as a block (| or >): its first line is the one after `line`

    @property
    def plain(self) -> Any:
        """The value without its places."""
        if isinstance(self.value, dict):
            return {name: node.plain for name, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain for node in self.value]
        return self.value


def text_of(path: Path) -> str:
    """What somebody wrote into a file, as UTF-8. Raises OSError, also for a pipe or a device, and UnicodeDecodeError."""
    with io.TextIOWrapper(open_regular(path), encoding="utf-8") as file:
        return file.read()


def read_yaml(text: str) -> Node:
    """The document in `text`; an empty one is a Node of None. Raises YamlError."""
    if len(text) > MAX_BYTES or len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise _error(
            1, 1, f"the file is larger than {MAX_BYTES // 1024} kB.", "Split it, or move long texts out of it.",
            "file_too_large", most_kb=MAX_BYTES // 1024,
        )  # fmt: skip
    events = _events(text)
    try:
        return _document(events)
    finally:
        events.close()


def _events(text: str) -> Any:
    """PyYAML's events; its errors as YamlError."""
    try:
        yield from yaml.parse(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _error(
            line, column, f"this is not YAML: {error.problem or error.context}.", _syntax_hint(error), "not_yaml"
        ) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - (text.rfind("\n", 0, error.position) + 1) + 1
        raise _error(line, column, "there is a character that YAML does not allow.", "Remove it.", "odd_character") from error
    except (UnicodeEncodeError, yaml.YAMLError) as error:
        raise _error(1, 1, f"this is not YAML: {error}.", "Save the file as UTF-8 text.", "not_utf8") from error


def _syntax_hint(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or ""
    if "cannot start any token" in problem:
        return "Indent with spaces, not with tabs; put text that starts with @, ` or % in quotes."
    if "mapping values are not allowed" in problem:
        return "Check the indentation, and put text that contains a colon in quotes."
    return "Check indentation, quotes and brackets on this line and the one before it."


def _document(events: Iterator[Any]) -> Node:
    root: Node | None = None
    for event in events:
        if isinstance(event, yaml.StreamStartEvent | yaml.StreamEndEvent | yaml.DocumentEndEvent):
            continue
        line, column = _place(event)
        if isinstance(event, yaml.DocumentStartEvent):
            if root is not None:
                raise _error(
                    line, column, "a second document starts here.", "Keep one document per file; remove the ---.", "two_documents"
                )
            continue
        root = _node(event, events, 1)
    return root if root is not None else Node(None, 1, 1)


def _node(event: Any, events: Iterator[Any], depth: int) -> Node:
    line, column = _place(event)
    if isinstance(event, yaml.AliasEvent):
        raise _error(line, column, f"the alias *{event.anchor} is not allowed.", "Write the value out.", "alias")
    if event.anchor is not None:
        raise _error(line, column, f"the anchor &{event.anchor} is not allowed.", "Remove it.", "anchor")
    if event.tag is not None and event.tag != "!":
        raise _error(line, column, f"the tag {event.tag} is not allowed.", "Write a plain value.", "tag")
    if depth > MAX_DEPTH:
        raise _error(line, column, f"values are nested more than {MAX_DEPTH} deep.", "No setting needs that.", "too_deep")
    if isinstance(event, yaml.ScalarEvent):
        return _scalar(event, line, column)
    if isinstance(event, yaml.SequenceStartEvent):
        items = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(_node(event, events, depth + 1))
        return Node(items, line, column)
    return _map(events, line, column, depth)


def _map(events: Iterator[Any], line: int, column: int, depth: int) -> Node:
    node = Node({}, line, column)
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        key = _node(event, events, depth + 1)
        if isinstance(key.value, dict | list):
            raise _error(key.line, key.column, "a key must be a word.", "Write name: value.", "bad_key")
        name = event.value
        if name in node.keys:
            first = node.keys[name][0]
            said = f"the key {name!r} is here twice, first on line {first}."
            raise _error(key.line, key.column, said, "Remove one.", "key_twice", key=name, first=first)
        node.keys[name] = (key.line, key.column)
        node.value[name] = _node(next(events), events, depth + 1)
    return node


def _scalar(event: Any, line: int, column: int) -> Node:
    text = event.value
    if event.style:  # quoted or block text is text, whatever it looks like
        return Node(text, line, column, is_block=event.style in "|>")
    if text in _WORDS:
        return Node(_WORDS[text], line, column)
    if _INT.fullmatch(text):
        return Node(int(text), line, column)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return Node(number if math.isfinite(number) else text, line, column)
    return Node(text, line, column)


def _place(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _error(line: int, column: int, message: str, hint: str, code: str, **data: Any) -> YamlError:
    return YamlError(Problem(line, column, "", message, hint, code, data))
