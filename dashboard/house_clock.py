"""A machine whose clock was set while the house runs: the house keeps its own time, and whoever may do something must know."""

from __future__ import annotations

from typing import Any

from dashboard.i18n import words
from scheduler.clock import is_off

MANY_MINUTES = 120


def clock_off(wall_off_s: float) -> dict[str, Any] | None:
    """`{"code": "behind" or "ahead", "unit": "minutes" or "hours", "count"}`: how far the house's time lies off; None where it
    does not. `wall_off_s`: how far the machine's clock is ahead of the house's time, in seconds."""
    if not is_off(wall_off_s):
        return None
    minutes = round(abs(wall_off_s) / 60)
    unit, count = ("minutes", minutes) if minutes < MANY_MINUTES else ("hours", round(minutes / 60))
    return {"code": "behind" if wall_off_s > 0 else "ahead", "unit": unit, "count": count}


def clock_words(off: dict[str, Any] | None) -> str:
    """The same with the way out, in this request's language; empty where there is nothing to say."""
    return words(f"clock.{off['code']}", off=words(f"js.{off['unit']}", count=off["count"])) if off else ""
