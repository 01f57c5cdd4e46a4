"""The worst moments of a day: the longest queue, the longest wait, the fullest hour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import floor
from typing import Any

from scheduler.core.quotas import KINDS

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A job's stay in the house: when it came, when slots held it (from, until), when it ended. Seconds of one clock.

    `due_at`: when it could begin, where that was later than it came.
    """

    id: str
    user: str
    team: str
    role: str
    at: float
    spells: tuple[tuple[float, float], ...]
    ended_at: float | None
    due_at: float | None = None


def peaks_of(stays: Iterable[Stay], slots: int) -> dict[str, Any]:
    """`queue`: the most that waited at once and when; `queue_of_user`, `queue_of_team`, `queue_of_role`: the most of one;
    `busiest_hour`: the share of the slots' time that was used in it; `longest_wait_s`. Times in seconds of the day."""
    known = list(stays)
    changes = sorted(change for stay in known for change in _changes(stay))
    waiting = 0
    of_one: Counter[tuple[str, str]] = Counter()
    most_of = dict.fromkeys(KINDS, 0)
    queue, queue_at = 0, 0.0
    for at, change, *names in changes:
        waiting += change
        for one in zip(KINDS, names, strict=True):
            of_one[one] += change
            most_of[one[0]] = max(most_of[one[0]], of_one[one])
        if waiting > queue:
            queue, queue_at = waiting, at
    waits = [max(0.0, stay.spells[0][0] - (stay.at if stay.due_at is None else stay.due_at)) for stay in known if stay.spells]
    hour, share = _busiest_hour(known, slots)
    return {
        "queue": queue, "queue_at_s": round(queue_at, 1), **{f"queue_of_{kind}": most for kind, most in most_of.items()},
        "longest_wait_s": round(max(waits, default=0.0), 3), "busiest_hour": hour, "busiest_hour_ratio": round(share, 3),
    }  # fmt: skip


def _changes(stay: Stay) -> list[tuple[float, int, str, str, str]]:
    """(time, +1 or -1, user, team, role): it waits whenever it is here and no slot holds it. At one moment, leaving comes
    first."""
    found = [(stay.at, 1)]
    for since, until in stay.spells:
        found += [(since, -1), (until, 1)]
    if stay.ended_at is not None:
        found.append((stay.ended_at, -1))
    return [(at, change, stay.user, stay.team, stay.role) for at, change in found]


def _busiest_hour(stays: list[Stay], slots: int) -> tuple[int | None, float]:
    seconds: dict[int, float] = {}
    for since, until in (spell for stay in stays for spell in stay.spells):
        hour = floor(since / HOUR_S)
        while hour * HOUR_S < until:
            inside = min(until, (hour + 1) * HOUR_S) - max(since, hour * HOUR_S)
            seconds[hour] = seconds.get(hour, 0.0) + inside
            hour += 1
    if not seconds:
        return None, 0.0
    hour = max(seconds, key=lambda one: seconds[one])
    return hour, seconds[hour] / (HOUR_S * slots)
