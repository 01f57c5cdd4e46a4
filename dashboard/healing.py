"""Heals as pages and API show them, and their recovery times drawn: time across, milliseconds (logarithmic) upwards."""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass
from typing import Any

from dashboard.reads import Reads, Row
from scheduler.clock import house_now
from scheduler.core.healing_policy import Fault

SHOWN = 100
WIDTH, HEIGHT, LEFT, BOTTOM = 640, 180, 52, 24
DECADES = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)  # milliseconds


@dataclass(frozen=True)
class Dot:
    """One healed fault in the picture."""

    x: float
    y: float
    heal: Row


@dataclass(frozen=True)
class Picture:
    """Places in a drawing of WIDTH x HEIGHT: dots, horizontal lines with their words, and the time that it spans."""

    dots: list[Dot]
    lines: list[tuple[float, str]]
    since: float
    until: float


def heals(reads: Reads, *, with_reasons: bool, limit: int = SHOWN, since: float = 0.0) -> list[Row]:
    """Heals, newest first. What a program said last may hold anybody's words, so only those who see the audit get it;
    one that never came to work has seen none."""
    found = reads.store.heals(limit, since)
    if not with_reasons:
        for heal in (heal for heal in found if heal["fault"] != Fault.CRASH_LOOP):
            heal["numbers"] = {name: value for name, value in heal["numbers"].items() if name != "reason"}
    return found


def draw(found: list[Row], now: float | None = None) -> Picture:
    """The recovered ones as dots; a heal below a millisecond stands on the lowest line."""
    until = house_now() if now is None else now
    is_timed = [heal for heal in found if heal["state"] == "recovered" and heal["recovery_ms"] is not None]
    ended = [(heal, seconds(heal["ended_at"])) for heal in is_timed]
    since = min([at for _, at in ended], default=until - 3600.0)
    span = max(until - since, 60.0)
    most = max([DECADES[2], *(heal["recovery_ms"] for heal, _ in ended)])
    top = next((decade for decade in DECADES if decade >= most), DECADES[-1])
    lines = [(_y(decade, top), words(decade)) for decade in DECADES if decade <= top]
    dots = [
        Dot(round(LEFT + (WIDTH - LEFT - 8) * (1 - (until - at) / span), 1), _y(heal["recovery_ms"], top), heal)
        for heal, at in ended
    ]
    return Picture(dots, lines, until - span, until)


def words(milliseconds: float | None) -> str:
    """Milliseconds as people read them."""
    if milliseconds is None:
        return "–"
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    if milliseconds < 100_000:
        return f"{milliseconds / 1000:.1f} s".replace(".0 s", " s")
    return f"{milliseconds / 60_000:.0f} min"


def seconds(at_utc: str) -> float:
    """A UTC text as seconds since 1970."""
    return datetime.datetime.fromisoformat(at_utc).timestamp()


def policy_rows(policy: dict[str, Any]) -> list[tuple[str, str, list[tuple[str, Any]]]]:
    """(fault, action, thresholds) of the policy in force."""
    return [
        (fault, str(rule.get("action", "")), [(name, value) for name, value in rule.items() if name != "action"])
        for fault, rule in policy.items()
    ]


def _y(milliseconds: float, top: float) -> float:
    share = math.log10(max(1.0, milliseconds)) / math.log10(top)
    return round((HEIGHT - BOTTOM) * (1 - share) + 8 * share, 1)
