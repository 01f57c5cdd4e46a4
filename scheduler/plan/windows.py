"""The nearest other time for a misfit: a later end, or the same window elsewhere. All by quarter-hours, all of them played."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from math import ceil

from scheduler.plan.change import Change, Judge
from scheduler.plan.entry import DAY_MINUTES, Calendar, Entry, clock_text
from scheduler.plan.played import PlayedDay, Stage
from scheduler.plan.sentences import sentence

STEP_MIN = 15
FINE_STEPS = 8  # up to this distance every quarter-hour is tried, beyond it every hour
HOUR_STEPS = 4
DAY_S = 86_400.0


def nearest_end(entry: Entry, day: PlayedDay, stage: Stage, is_good: Judge) -> Change | None:
    """The same beginning, and the least more time that is enough.

    Videos are wanted evenly over the window, so with more time they are wanted later, too: the quarter-hour in which the last
    one was finished may not be enough. The search begins there, doubles the distance until an end is late enough, then halves.
    """
    ends = range((entry.closes_min // STEP_MIN + 1) * STEP_MIN, DAY_MINUTES + 1, STEP_MIN)
    if not ends:
        return None
    finishes = [day.outcomes[one.id].finish for one in day.late(entry.number)]
    last = max((finish for finish in finishes if finish is not None), default=None)
    guess_min = 0 if last is None else ceil((last - stage.calendar.at(0)) / 60 / STEP_MIN) * STEP_MIN
    first = max(0, min(len(ends) - 1, (guess_min - ends[0]) // STEP_MIN))

    def until(number: int) -> Change:
        longer = dataclasses.replace(entry, closes_min=ends[number])
        words = sentence("extend", until=clock_text(longer.closes_min))
        return Change(kind="extend", entry=longer, words=words, data={"window": longer.window})

    found = _nearest(first, len(ends) - 1, lambda number: is_good(until(number)))
    return None if found is None else until(found)


def nearest_move(entry: Entry, day: PlayedDay, stage: Stage, is_good: Judge) -> Change | None:
    """The same window as near as possible, later before earlier.

    First the distance is doubled until one is good, then halved, so that a search with few days gets far. What is nearer and
    was left out is tried after that: a window may fit between two where it does not.
    """
    if _is_too_short_anywhere(entry, day, stage):
        return None
    known: dict[int, bool] = {}

    def fits(shift: int) -> bool:
        if shift not in known:
            change = _shifted(entry, shift, stage)
            known[shift] = change is not None and is_good(change)
        return known[shift]

    def towards(sign: int, steps: int) -> bool:
        return fits(sign * steps)

    best: int | None = None
    reach = 1
    while best is None and reach <= DAY_MINUTES // STEP_MIN:
        for sign in (1, -1):
            if best is None and fits(sign * reach):
                best = sign * _halved(reach // 2, reach, partial(towards, sign))
        reach *= 2
    for distance in (*range(1, FINE_STEPS), *range(FINE_STEPS, DAY_MINUTES // STEP_MIN, HOUR_STEPS)):
        for shift in (distance, -distance):
            if (best is None or (distance, shift < 0) < (abs(best), best < 0)) and fits(shift):
                best = shift
    return None if best is None else _shifted(entry, best, stage)


def _shifted(entry: Entry, steps: int, stage: Stage) -> Change | None:
    """The entry moved by so many quarter-hours; None where that is another day, or over."""
    shift = steps * STEP_MIN
    opens, closes = entry.opens_min + shift, entry.closes_min + shift
    if opens < 0 or closes > DAY_MINUTES or stage.calendar.at(opens) < stage.studio.now:
        return None
    moved = dataclasses.replace(entry, opens_min=opens, closes_min=closes)
    return Change(kind="move", entry=moved, words=sentence("move", window=moved.window),
                  data={"window": moved.window, "shift_min": shift})  # fmt: skip


def _is_too_short_anywhere(entry: Entry, day: PlayedDay, stage: Stage) -> bool:
    """Do its videos need more than all slots can give in a window of this length? Then no day needs to be played for it."""
    mine = [one for one in day.wanted if one.entry.number == entry.number]
    if _has_changing_clock(stage.calendar) or any(day.outcomes[one.id].rung for one in mine):
        return False  # an hour more at the change of clocks, less work at a lower setting
    window_s = 60.0 * (entry.closes_min - entry.opens_min)
    work = [one.work_s or 0.0 for one in mine]
    return sum(work) > stage.studio.usable_slots * window_s + 1.0 or max(work, default=0.0) > window_s + 1.0


def _has_changing_clock(calendar: Calendar) -> bool:
    return calendar.at(DAY_MINUTES) - calendar.at(0) != DAY_S


def _nearest(first: int, last: int, is_good: Callable[[int], bool]) -> int | None:
    """The least number up to `last` that is good, where greater ones are good too; what is returned was tried."""
    below, number, reach = -1, first, 1
    while not is_good(number):
        if number == last:
            return None
        below, number, reach = number, min(last, first + reach), reach * 2
    return _halved(below, number, is_good)


def _halved(bad: int, good: int, is_good: Callable[[int], bool]) -> int:
    """The least good number that halving finds between one that is not good and one that is."""
    while good - bad > 1:
        middle = (bad + good) // 2
        if is_good(middle):
            good = middle
        else:
            bad = middle
    return good
