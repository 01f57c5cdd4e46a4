"""What a day plan says: entries of demand, each with its window, and the day they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

# How firm the quality is → what a job may give up (`degrade` of a submission).
QUALITIES = {"firm": "never", "ask": "ask", "flexible": "allow"}
DAY_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Some videos of one role. `opens_min` and `closes_min`: minutes of the local day; each video starts to be wanted at or
    after the first and must be finished by the second. `length_s` None: the voice decides. `line`: where it stands."""

    number: int  # from 1
    line: int
    role: str
    user: str
    opens_min: int
    closes_min: int
    length_s: float | None = None
    preset: str | None = None
    priority: int | None = None
    quality: str = "ask"
    count: int = 1
    fill: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def label(self) -> str:
        """How a person finds it: `line 4, teacher`."""
        return f"line {self.line}, {self.role}"

    @property
    def window(self) -> str:
        """`10:00-11:30`."""
        return f"{clock_text(self.opens_min)}-{clock_text(self.closes_min)}"

    def request(self) -> dict[str, Any]:
        """The submission of one of its videos, without what is left to the role."""
        asked = {
            "user": self.user, "role": self.role, "duration_sec": self.length_s, "preset": self.preset,
            "priority": self.priority, "degrade": QUALITIES[self.quality], "fill": self.fill,
            "context": dict(self.context) or None,
        }  # fmt: skip
        return {name: value for name, value in asked.items() if value is not None}

    def to_json(self) -> dict[str, Any]:
        """Plain data for reports."""
        return {
            "number": self.number, "line": self.line, "role": self.role, "user": self.user, "window": self.window,
            "length_s": self.length_s, "preset": self.preset, "priority": self.priority, "quality": self.quality,
            "count": self.count,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPlan:
    """A day's demand. `day` None: whatever day it is held against; `zone` empty: the studio's own."""

    entries: tuple[Entry, ...]
    day: date | None = None
    zone: str = ""
    sha256: str = ""  # of the file's text

    @property
    def videos(self) -> int:
        """How many videos it asks for."""
        return sum(entry.count for entry in self.entries)


@dataclass(frozen=True, slots=True)
class Calendar:
    """One local day in absolute time."""

    day: date
    zone: tzinfo

    @classmethod
    def of(cls, plan: DayPlan, now: float, studio_zone: tzinfo) -> Calendar:
        """The day of a plan, or the one that `now` (seconds since 1970) lies in."""
        zone = ZoneInfo(plan.zone) if plan.zone else studio_zone
        return cls(plan.day or datetime.fromtimestamp(now, zone).date(), zone)

    def at(self, minutes: float) -> float:
        """Seconds since 1970 of a minute of this day; 1440 is the next midnight."""
        days, rest = divmod(minutes, DAY_MINUTES)
        midnight = datetime.combine(self.day + timedelta(days=int(days)), time(), self.zone)
        wall = midnight.replace(hour=int(rest // 60), minute=int(rest % 60))
        return wall.timestamp() + 60.0 * (rest % 1)

    def text(self, at: float, *, has_seconds: bool = False) -> str:
        """`10:42` or `10:42:07` of an absolute time; with the day where it is another one."""
        local = datetime.fromtimestamp(at, self.zone)
        clock = "%H:%M:%S" if has_seconds else "%H:%M"
        return local.strftime(clock if local.date() == self.day else f"%Y-%m-%d {clock}")


def clock_text(minutes: int) -> str:
    """`09:05` of minutes of the day."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
