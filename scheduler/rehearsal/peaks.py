"""The worst moments of a day: the longest queue, the longest wait, the fullest hour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import floor
from typing import Any

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A job's stay in the house: when it came, when slots held it (from, until), when it ended. Seconds of one clock."""

    id: str
    user: str
    at: float
    spells: tuple[tuple[float, float], ...]
    ended_at: float | None


def peaks_of(stays: Iterable[Stay], slots: int) -> dict[str, Any]:
    """`queue`: the most that waited at once and when; `queue_of_user`: the most of one user; `busiest_hour`: the share of the
    slots' time that was used in it; `longest_wait_s`. Times in seconds of the day."""
    known = list(stays)
    changes = sorted(change for stay in known for change in _changes(stay))
    waiting = 0
    of_user: Counter[str] = Counter()
    queue, queue_at, most_of_user = 0, 0.0, 0
    for at, change, user in changes:
        waiting += change
        of_user[user] += change
        most_of_user = max(most_of_user, of_user[user])
        if waiting > queue:
            queue, queue_at = waiting, at
    waits = [stay.spells[0][0] - stay.at for stay in known if stay.spells]
    hour, share = _busiest_hour(known, slots)
    return {
        "queue": queue, "queue_at_s": round(queue_at, 1), "queue_of_user": most_of_user,
        "longest_wait_s": round(max(waits, default=0.0), 3), "busiest_hour": hour, "busiest_hour_ratio": round(share, 3),
    }  # fmt: skip


def _changes(stay: Stay) -> list[tuple[float, int, str]]:
    """(time, +1 or -1, user): it waits whenever it is here and no slot holds it. At one moment, leaving comes first."""
    found = [(stay.at, 1, stay.user)]
    for since, until in stay.spells:
        found += [(since, -1, stay.user), (until, 1, stay.user)]
    if stay.ended_at is not None:
        found.append((stay.ended_at, -1, stay.user))
    return found


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
