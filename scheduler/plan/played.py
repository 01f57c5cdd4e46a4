"""A plan played through: what becomes of each video, and which entries do not fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from scheduler.plan.demand import Demand, Refusal, demand_of
from scheduler.plan.entry import Calendar, Entry
from scheduler.plan.studio import Studio

ON_TIME_S = 0.5  # a finish so little after the window's end is the simulation's rounding


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one video. Times in seconds since 1970; `finish` None: it never ended well, `reason` says why.

    `spans`: when a slot worked for it. `rung`: the lower setting it was made at; empty: as asked.
    """

    id: str
    start: float | None
    finish: float | None
    spans: tuple[tuple[float, float], ...] = ()
    preemptions: int = 0
    rung: str = ""
    reason: str = ""


# Plays videos through the real rules; `scatter`: 0 for typical speeds, else the number of a day with ordinary scatter.
Play = Callable[[Sequence[Demand], Studio, int], dict[str, Outcome]]


@dataclass(frozen=True, kw_only=True)
class PlayedDay:
    """A plan's videos with their outcomes."""

    entries: tuple[Entry, ...]
    wanted: list[Demand]
    refused: list[Refusal]
    outcomes: dict[str, Outcome]

    def late(self, number: int) -> list[Demand]:
        """The videos of an entry that are not finished when they should be."""
        return [one for one in self.wanted if one.entry.number == number and not self._is_on_time(one)]

    def misfits(self) -> set[int]:
        """Numbers of the entries that do not fit."""
        refused = {refusal.entry.number for refusal in self.refused}
        return refused | {one.entry.number for one in self.wanted if not self._is_on_time(one)}

    def _is_on_time(self, one: Demand) -> bool:
        finish = self.outcomes[one.id].finish
        return finish is not None and finish <= one.closes_at + ON_TIME_S


@dataclass
class Stage:
    """Plays plans against one studio, each at most once; counts how often it really played."""

    studio: Studio
    calendar: Calendar
    play: Play
    runs: int = 0
    _known: dict[tuple[tuple[Entry, ...], int], PlayedDay] = field(default_factory=dict)

    def day(self, entries: tuple[Entry, ...], scatter: int = 0) -> PlayedDay:
        """The plan's day. Every video's pace must be known."""
        key = (entries, scatter)
        if key not in self._known:
            wanted, refused = demand_of(entries, self.calendar, self.studio)
            self.runs += 1
            outcomes = self.play(wanted, self.studio, scatter)
            self._known[key] = PlayedDay(entries=entries, wanted=wanted, refused=refused, outcomes=outcomes)
        return self._known[key]
