"""Regular work after a jump of the wall clock: it neither stands still nor runs again and again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from apscheduler.job import Job
from apscheduler.schedulers.background import BackgroundScheduler

from scheduler.wall_jumps import At, Every, WallJumps

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOUR, YEARS = timedelta(hours=1), timedelta(days=4 * 365)


class Clocks:
    """A scheduler that starts nothing, with a job each second and one each day at ten, and its clocks as a test sets them."""

    def __init__(self, scheduler: BackgroundScheduler) -> None:
        self.wall, self.monotonic = NOON.timestamp(), 100.0
        self._scheduler = scheduler
        scheduler.add_job(print, Every(seconds=1), id="sample", next_run_time=NOON)
        scheduler.add_job(print, At(hour=10, timezone=UTC), id="check-plan", next_run_time=NOON + timedelta(hours=22))
        self.jumps = WallJumps(scheduler, lambda: self.wall, lambda: self.monotonic)

    def pass_by(self, seconds: float, jump: timedelta = timedelta()) -> None:
        """Time passes, with a look at its end; the wall clock jumps meanwhile."""
        self.monotonic += seconds
        self.wall += seconds + jump.total_seconds()
        self.jumps.look()

    def job(self, name: str) -> Job:
        """As the scheduler has it."""
        return self._scheduler.get_job(name)

    def next_of(self, name: str) -> datetime:
        """When a job is due, by the wall clock."""
        due: datetime = self.job(name).next_run_time
        return due


@pytest.fixture
def clocks() -> Iterator[Clocks]:
    scheduler = BackgroundScheduler(timezone=UTC)
    scheduler.start(paused=True)
    yield Clocks(scheduler)
    scheduler.shutdown()


@pytest.mark.parametrize("jump", [-HOUR, HOUR, -YEARS, YEARS])
def test_work_of_each_second_goes_on_at_once_after_a_jump(clocks: Clocks, jump: timedelta) -> None:
    clocks.pass_by(1.0, jump)
    assert clocks.next_of("sample") == NOON + jump + timedelta(seconds=1)


def test_time_that_just_passes_moves_nothing(clocks: Clocks) -> None:
    clocks.pass_by(3600.0)
    clocks.pass_by(1.0, timedelta(seconds=0.2))  # a clock that is being set right slowly
    assert clocks.next_of("sample") == NOON


def test_hour_that_comes_twice_does_the_work_of_the_day_once(clocks: Clocks) -> None:
    clocks.pass_by(1.0, -3 * HOUR / 2)  # half past ten again
    assert clocks.next_of("check-plan") == NOON + timedelta(hours=22)


def test_clock_that_was_years_ahead_keeps_no_work_waiting_for_years(clocks: Clocks) -> None:
    clocks.pass_by(1.0, -YEARS)
    assert clocks.next_of("check-plan") == NOON - YEARS + timedelta(hours=22)


@pytest.mark.parametrize("jump", [timedelta(), HOUR, YEARS, 14 * YEARS])
def test_what_was_missed_is_made_up_once_and_not_counted_one_by_one(clocks: Clocks, jump: timedelta) -> None:
    for name, due in (("sample", NOON), ("check-plan", NOON + timedelta(hours=22))):
        missed = clocks.job(name)._get_run_times(due + jump)  # APScheduler goes through them; a year has 32 million seconds
        assert missed == [due]


def test_times_follow_one_after_the_other() -> None:
    second, late = Every(seconds=1), NOON + timedelta(seconds=0.2)
    assert second.get_next_fire_time(NOON, late) == NOON + timedelta(seconds=1)
    assert second.get_next_fire_time(None, NOON) == NOON + timedelta(seconds=1)
    assert second.get_next_fire_time(NOON + HOUR, NOON) == NOON + timedelta(seconds=1), "the clock was set back"
    assert At(hour=12, timezone=UTC).get_next_fire_time(NOON, NOON) == NOON + timedelta(days=1)


@pytest.mark.parametrize("change", [datetime(2027, 3, 28, 1, tzinfo=UTC), datetime(2027, 10, 31, 1, tzinfo=UTC)])
def test_summer_time_makes_no_work_wait_and_none_run_again_and_again(change: datetime) -> None:
    zone = ZoneInfo("Europe/Berlin")
    second, hourly, daily = Every(seconds=1), At(minute=7, timezone=zone), At(hour=10, timezone=zone)
    for minute in range(-70, 70):
        now = (change + timedelta(minutes=minute, seconds=0.5)).astimezone(zone)
        waits = [_wait(trigger, now) for trigger in (second, hourly, daily)]
        assert waits[0] == timedelta(seconds=1)
        assert timedelta() < waits[1] <= HOUR and timedelta(hours=5) < waits[2] <= timedelta(hours=10)


def _wait(trigger: Every | At, now: datetime) -> timedelta:
    """Until the next time, whatever the zone's clock shows."""
    following = trigger.get_next_fire_time(now, now)
    assert following is not None
    return following.astimezone(UTC) - now.astimezone(UTC)
