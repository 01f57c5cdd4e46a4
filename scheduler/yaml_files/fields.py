"""Reading checked fields out of a YAML map: each complaint with its line, all complaints at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from scheduler.yaml_files.reader import Node, Problem


class Fields:
    """A map's entries. Problems are collected in the list handed in; a bad value reads as the default."""

    def __init__(self, node: Node, path: str, known: Iterable[str], problems: list[Problem]) -> None:
        self.node = node
        self.path = path
        self.problems = problems
        self._known = tuple(known)
        if not isinstance(node.value, dict):
            known = ", ".join(self._known)
            self.complain(node, "this must be a map of names to values.", f"Known names: {known}.", code="no_map", known=known)
            self._entries: dict[str, Node] = {}
            return
        self._entries = node.value
        for name, (line, column) in node.keys.items():
            if name not in self._known:
                hint, code, data = self._nearest(name)
                problems.append(Problem(line, column, self._at(name), f"the key {name!r} is unknown.", hint, code, data))

    def get(self, name: str) -> Node | None:
        """The entry, or None when it is absent or null."""
        node = self._entries.get(name)
        return None if node is None or node.value is None else node

    def key_place(self, name: str) -> tuple[int, int]:
        """Line and column of a key; of the map where the key is absent."""
        return self.node.keys.get(name, (self.node.line, self.node.column))

    def complain(self, node: Node, message: str, hint: str = "", name: str = "", *, code: str = "", **data: Any) -> None:
        """Add a problem at a node. `code` and `data` say the same for pages in another language."""
        self.problems.append(Problem(node.line, node.column, self._at(name), message, hint, code, data))

    def need(self, name: str, hint: str) -> bool:
        """Complain when the entry is absent; where there is no map at all, that has been said."""
        if self.get(name) is not None:
            return True
        if isinstance(self.node.value, dict):
            self.complain(self.node, f"{name} is missing.", hint, name, code="missing", named=name)
        return False

    def text(self, name: str, default: str = "", max_length: int = 500) -> str:
        """Text of at most so many characters."""
        node = self.get(name)
        if node is None:
            return default
        if not isinstance(node.value, str):
            self.complain(
                node, f"{name} must be text, not {_kind(node.value)}.", "Put it in quotes.", name,
                code="no_text", named=name,
            )  # fmt: skip
            return default
        if not 0 < len(node.value) <= max_length:
            self.complain(
                node, f"{name} must have 1 to {max_length} characters.", "", name,
                code="text_length", named=name, most=max_length,
            )  # fmt: skip
            return default
        return node.value

    def number(self, name: str, default: float | None, low: float, high: float) -> float | None:
        """A number from low to high."""
        node = self.get(name)
        if node is None:
            return default
        is_number = isinstance(node.value, int | float) and not isinstance(node.value, bool)
        if not is_number or not low <= node.value <= high:
            self.complain(
                node, f"{name} is {_shown(node.value)}.", f"Use a number from {low:g} to {high:g}.", name,
                code="no_number", **_found(name, node, low, high),
            )  # fmt: skip
            return default
        return float(node.value)

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number from low to high."""
        node = self.get(name)
        if node is None:
            return default
        if type(node.value) is not int or not low <= node.value <= high:
            self.complain(
                node, f"{name} is {_shown(node.value)}.", f"Use a whole number from {low} to {high}.", name,
                code="no_whole", **_found(name, node, low, high),
            )  # fmt: skip
            return default
        return node.value

    def flag(self, name: str) -> bool:
        """true or false; absent is false."""
        node = self.get(name)
        if node is not None and not isinstance(node.value, bool):
            self.complain(node, f"{name} is {_shown(node.value)}.", "Use true or false.", name, code="no_flag", named=name)
            return False
        return bool(node and node.value)

    def words(self, name: str) -> list[Node]:
        """A list of texts, as nodes."""
        node = self.get(name)
        if node is None:
            return []
        if not isinstance(node.value, list):
            self.complain(node, f"{name} must be a list.", f"Write {name}: [one, two].", name, code="no_list", named=name)
            return []
        good = [item for item in node.value if isinstance(item.value, str) and item.value]
        for item in node.value:
            if item not in good:
                self.complain(
                    item, f"{name} must hold texts, not {_kind(item.value)}.", "Put it in quotes.", name,
                    code="no_texts", named=name,
                )  # fmt: skip
        return good

    def entries(self, name: str) -> dict[str, Node]:
        """A map's entries."""
        node = self.get(name)
        if node is None:
            return {}
        if not isinstance(node.value, dict):
            self.complain(
                node, f"{name} must be a map.", f"Write {name}: {{a: …, b: …}}.", name,
                code="no_entries_map", named=name,
            )  # fmt: skip
            return {}
        return dict(node.value)

    def _nearest(self, name: str) -> tuple[str, str, dict[str, Any]]:
        """(hint, code, data) for a key that is unknown."""
        special = {"lora": "adapter", "voice": "audio", "portrait": "image", "prompt": "prompt_template"}
        close = difflib.get_close_matches(name, self._known, n=1, cutoff=0.6)
        near = special.get(name) if special.get(name) in self._known else None
        guess = near or (close[0] if close else None)
        if guess:
            return f"Did you mean {guess!r}?", "misspelt_key", {"key": name[:40], "guess": guess}
        known = ", ".join(self._known)
        return f"Known keys: {known}.", "unknown_key", {"key": name[:40], "known": known}

    def _at(self, name: str) -> str:
        return f"{self.path}.{name}".strip(".") if name else self.path


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    names = {bool: "true/false", int: "a number", float: "a number", str: "text", dict: "a map", list: "a list"}
    return names[type(value)]


def _found(name: str, node: Node, low: float, high: float) -> dict[str, Any]:
    """What a complaint about a number says."""
    return {"named": name, "found": str(node.plain)[:40], "low": f"{low:g}", "high": f"{high:g}"}


def _shown(value: Any) -> str:
    return (
        _kind(value)
        if isinstance(value, dict | list)
        else f"{str(value)[:40]!r}"
        if isinstance(value, str)
        else str(value)
    )
