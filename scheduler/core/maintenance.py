"""Weekly maintenance windows of the policy: while one is open, its slots take no work and what runs there stops at its block.

A window is written `sat 03:00-04:30` or `sun 22:00-01:00 slots 0+1`, in UTC; without slots it is for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import inf

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_S, WEEK_S = 86_400, 604_800
EPOCH_S = 3 * DAY_S  # the clock's second 0 was a Thursday
CAUSE = "maintenance"


@dataclass(frozen=True, slots=True)
class Window:
    """Seconds from Monday 00:00 UTC; `slots` empty: all."""

    starts_s: int
    length_s: int
    slots: tuple[int, ...] = ()

    def ends_at(self, at: float) -> float | None:
        """When the window that is open at this time ends; None where none is."""
        into_s = self._into_s(at)
        return at - into_s + self.length_s if into_s < self.length_s else None

    def opens_in_s(self, at: float) -> float:
        """Seconds until this window begins, above 0."""
        return WEEK_S - self._into_s(at)

    def _into_s(self, at: float) -> float:
        """Seconds since it began last, below a week: a hair before it begins, the remainder is rounded up to a whole one."""
        into_s = (at + EPOCH_S - self.starts_s) % WEEK_S
        return into_s if into_s < WEEK_S else 0.0

    def is_for(self, slot: int) -> bool:
        """Does it concern this slot?"""
        return not self.slots or slot in self.slots


def parse_window(text: str) -> Window:
    """A window from its text. ValueError says what is wrong."""
    words = text.lower().split()
    if len(words) not in (2, 4) or words[0] not in DAYS or (len(words) == 4 and words[2] != "slots"):
        raise ValueError("write it as `sat 03:00-04:30` or `sat 03:00-04:30 slots 0+1`")
    starts, _, ends = words[1].partition("-")
    first_s, last_s = _seconds(starts), 0 if ends == "24:00" else _seconds(ends)
    length_s = (last_s - first_s) % DAY_S or DAY_S
    slots = tuple(sorted({_slot(word) for word in words[3].split("+")})) if len(words) == 4 else ()
    return Window(DAYS.index(words[0]) * DAY_S + first_s, length_s, slots)


def closes_at(windows: Iterable[Window], slot: int, at: float) -> float | None:
    """When a slot is open again, windows that follow one another taken together; None where none is open. At most a week on."""
    own = [window for window in windows if window.is_for(slot)]
    until: float | None = None
    while until is None or until < at + WEEK_S:
        ends = [end for window in own if (end := window.ends_at(at if until is None else until)) is not None]
        if not ends:
            break
        until = max(ends)
    return until


def turns_at(windows: Iterable[Window], at: float) -> float:
    """When the next window opens or closes; infinity without windows."""
    return min((window.ends_at(at) or at + window.opens_in_s(at) for window in windows), default=inf)


def closures(windows: Iterable[Window], slot: int, since: float, until: float) -> Iterator[tuple[float, float]]:
    """When a slot is closed within a span: from, to. What is open at `since` begins there; the last may end after `until`."""
    own = [window for window in windows if window.is_for(slot)]
    at = since
    while own and at < until:
        if (end := closes_at(own, slot, at)) is not None:
            yield at, end
            at = end
        else:
            at += min(window.opens_in_s(at) for window in own)


def closed_s(windows: Iterable[Window], slot: int, since: float, until: float) -> float:
    """Seconds of a span that maintenance takes from a slot."""
    return sum((min(end, until) - begin for begin, end in closures(windows, slot, since, until)), 0.0)


def _seconds(text: str) -> int:
    hours, _, minutes = text.partition(":")
    if not (hours.isdigit() and minutes.isdigit() and int(hours) < 24 and int(minutes) < 60):
        raise ValueError(f"{text!r} is no time of day; write 03:00")
    return int(hours) * 3600 + int(minutes) * 60


def _slot(text: str) -> int:
    if not text.isdigit():
        raise ValueError(f"{text!r} is no number of a slot")
    return int(text)
