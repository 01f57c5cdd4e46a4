"""An audit row's details for people: nested names with dots, points in time as times. The export has them as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from dashboard import formats, i18n
from dashboard.refusals import told_line
from scheduler.audit.entry import ACTOR_GROUP
from scheduler.audit.times import is_time

_ALIKE = {"kill_cause": "cause", "from": "state", "to": "state"}  # details whose values have the words of another


def lines_of(body: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any, bool]]:
    """(name, value, is it a point in time) of every detail; lists as JSON."""
    problems = body.get("problems") or []
    for name, value in body.items():
        if name == ACTOR_GROUP and not prefix:
            continue  # it stands beside the person
        if problems and name in ("message", "problems"):  # of a refused file: the same twice, once with codes
            yield from ((f"{prefix}problem", told_line(one), False) for one in problems if name == "problems")
            continue
        if isinstance(value, Mapping) and value:
            yield from lines_of(value, f"{prefix}{name}.")
        elif is_time(name, value):
            yield f"{prefix}{name}", value, True
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), False


def summary_of(body: Mapping[str, Any], most: int = 3) -> list[tuple[str, Any, bool]]:
    """The few details that say most: the move of a state first, its columns (`set`) left to the whole list."""
    plain = {name: value for name, value in body.items() if name not in ("from", "to", "set")}
    source, target = body.get("from"), body.get("to")
    states = [i18n.named("state", name) for name in (source, target)]
    move = [("", " → ".join(states), False)] if source and target and source != target else []
    return [*move, *lines_of(plain)][:most]


def worded(name: str, value: Any) -> Any:
    """A detail's value in the reader's words, where it is one of ours (a cause, a state, a fault); others as they are, a time
    with its unit."""
    if name.endswith("_ms") and isinstance(value, int | float):
        return formats.milliseconds(value)
    return i18n.named(_ALIKE.get(name, name), value) if isinstance(value, str) else value
