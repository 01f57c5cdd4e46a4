"""A change of one entry that a search tries, and what it says of all that it has tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scheduler.plan.entry import DAY_MINUTES, Entry, clock_text
from scheduler.plan.sentences import Words, sentence

KINDS = ("fill", "extend", "move", "shorten", "lower_preset", "fewer")  # what costs the video least comes first


@dataclass(frozen=True, kw_only=True)
class Change:
    """An entry changed in one thing; offered only where it fits so and nothing else that fitted stops fitting."""

    kind: str  # fill, extend, move, shorten, lower_preset, fewer
    entry: Entry
    words: Words
    data: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"kind": self.kind, "entry": self.entry.number, "text": self.words["en"], "zh": self.words["zh"], **self.data}


Judge = Callable[[Change], bool]  # plays it; False as well where no day is left to play


def tried_words(tried: Mapping[str, Sequence[Change]]) -> Words:
    """What was played of each kind: how many, and how far ends and windows went. Something must have been."""
    kinds = [kind for kind in KINDS if kind in tried]
    found = [sentence(f"tried_{kind}", count=len(tried[kind]), most=_most(kind, tried[kind])) for kind in kinds]
    return {language: joint.join(one[language] for one in found) for language, joint in (("en", ", "), ("zh", "、"))}


def _most(kind: str, changes: Sequence[Change]) -> str:
    if kind == "extend":
        return clock_text(max(change.entry.closes_min for change in changes))
    if kind == "move":
        return clock_text(min(DAY_MINUTES, max(abs(change.data["shift_min"]) for change in changes)))
    return ""
