"""Counts with their nouns, as people read them: `1 slot`, `2 slots`."""

from __future__ import annotations

from collections.abc import Mapping


def counted(count: int, noun: str, plural: str = "") -> str:
    """The count and its noun; `plural` where it is not the noun with an s."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def filled(text: str, words: Mapping[str, object]) -> str:
    """The sentence with its words. A noun behind a colon is counted: `{slots:slot}` is `1 slot` or `2 slots`.

    Only whole numbers can be counted; anything else there is a ValueError.
    """
    return text.format(**{name: _Count(word) if type(word) is int else word for name, word in words.items()})


def unfilled(text: str) -> str:
    """The sentence as documents show it, nouns in the plural: `{slots} slots`."""
    head, *fields = text.split("{")
    return head + "".join(_unfilled(*field.split("}", 1)) for field in fields)


class _Count(int):
    """A whole number whose format may be the noun that it counts."""

    def __format__(self, form: str) -> str:
        return counted(self, form) if _is_noun(form) else super().__format__(form)


def _unfilled(field: str, after: str) -> str:
    name, _, form = field.partition(":")
    return f"{{{name}}} {form}s{after}" if _is_noun(form) else f"{{{field}}}{after}"


def _is_noun(form: str) -> bool:
    return len(form) > 1 and form.replace(" ", "").isalpha()
