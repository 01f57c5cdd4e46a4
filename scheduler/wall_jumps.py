"""Jumps of the machine's wall clock, for regular work that is kept by it.

APScheduler writes down the next time of each job as wall time. When the clock was set back, an interval of a second would wait
for as long as the clock went back. When it was set ahead, each second between would be counted as a missed run, one by one: for a
clock that was months behind the daemon would stand still for longer than it may.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

JUMP_S = 0.5  # between two looks; what is less is made up by the intervals themselves
LONG_BACK_S = 7200.0  # a change of zone or summer time is shorter: what was done in that hour is not done again
_log = logging.getLogger("greenroom.timetable")


class Every(IntervalTrigger):  # type: ignore[misc]
    """An interval that leaves out what was missed, and is never further away than its own length."""

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """One interval after the last time, or after now where that is past or an hour to come."""
        interval, now = self.interval, now.astimezone(UTC)  # in a zone an hour that comes twice would be reckoned once
        following: datetime = (previous_fire_time or now).astimezone(UTC) + interval
        return following if now < following <= now + interval else now + interval


class At(CronTrigger):  # type: ignore[misc]
    """Hours of the day and days; what was missed in between counts once."""

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The first time after now."""
        later = (now.astimezone(UTC) + timedelta(microseconds=1)).astimezone(self.timezone)
        following: datetime | None = super().get_next_fire_time(None, later)
        return following


class WallJumps:
    """Compares the wall clock with the monotonic one at each `look`, and sets the jobs right after a jump."""

    def __init__(
        self, scheduler: BaseScheduler, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._scheduler, self._wall, self._monotonic = scheduler, wall, monotonic
        self._ahead = wall() - monotonic()

    def look(self) -> None:
        """Call about once per second, by the monotonic clock."""
        ahead = self._wall() - self._monotonic()
        jump_s, self._ahead = ahead - self._ahead, ahead
        if abs(jump_s) < JUMP_S:
            return
        _log.warning("the machine's wall clock was set by %+.1f s; the house's own goes on until its next start", jump_s)
        now = datetime.fromtimestamp(self._wall(), self._scheduler.timezone)
        for job in self._scheduler.get_jobs():
            if isinstance(job.trigger, IntervalTrigger):
                job.modify(next_run_time=now)
            elif jump_s < -LONG_BACK_S:  # else it would wait for the hour of a time that was wrong, perhaps for years
                job.modify(next_run_time=job.trigger.get_next_fire_time(None, now))
