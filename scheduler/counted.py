"""Counts with their nouns, as people read them: `1 slot`, `2 slots`."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str = "") -> str:
    """The count and its noun; `plural` where it is not the noun with an s."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def counted_words(count: int, noun: str) -> dict[str, object]:
    """The same as a word of a sentence in two languages: Chinese has its own measure words and takes the number alone."""
    return {"en": counted(count, noun), "zh": count}
