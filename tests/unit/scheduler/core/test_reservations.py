"""Promised times: what is promised is kept, and what fits is not refused."""

from __future__ import annotations

from scheduler.core.actions import MoveJob
from scheduler.core.job import HoldReason
from scheduler.core.maintenance import DAYS
from tests.unit.scheduler.core.studio import Studio


def reserve(studio: Studio, job_id: str, in_s: float, takes_s: int, code: str = "reservation_taken") -> float | None:
    """Reserve a time; None where it was promised, else in how many seconds it would fit."""
    studio.submit(job_id, start_at=studio.at + in_s, total_blocks=takes_s, block_ms=1000)
    if job_id in studio.state.jobs:
        assert studio.job(job_id).hold is HoldReason.SCHEDULED
        return None
    move = studio.all(MoveJob)[-1]
    assert move.fields["error_code"] == code
    return float(move.body["decision"]["terms"]["fits_at"]) - studio.at


def test_reserved_job_that_plays_keeps_its_slot_promised_to_its_end() -> None:
    studio = Studio(reservation_notice_s=0.0)
    assert reserve(studio, "lecture", in_s=60, takes_s=100) is None
    studio.tick(60)
    studio.start("lecture")
    studio.at += 50
    studio.make("lecture", 50)
    assert reserve(studio, "early", in_s=30, takes_s=10) == 50, "half of it is left, from now on"
    assert reserve(studio, "after", in_s=50, takes_s=10) is None


def test_reserved_job_that_is_late_needs_all_its_time_from_now_on() -> None:
    studio = Studio(are_ready=False, reservation_notice_s=0.0)
    assert reserve(studio, "lecture", in_s=60, takes_s=100) is None
    studio.tick(120)
    assert reserve(studio, "early", in_s=50, takes_s=10) == 100


def test_times_that_follow_one_another_take_one_slot_of_two() -> None:
    studio = Studio(slots=2, reservation_notice_s=0.0)
    assert reserve(studio, "first", in_s=100, takes_s=50) is None
    assert reserve(studio, "second", in_s=150, takes_s=50) is None
    assert reserve(studio, "beside", in_s=100, takes_s=100) is None, "the other slot is free all that time"
    assert reserve(studio, "third", in_s=140, takes_s=20) == 200
    assert reserve(studio, "later", in_s=200, takes_s=20) is None


def test_time_in_maintenance_is_refused_with_the_first_that_fits() -> None:
    studio = Studio(slots=2, reservation_notice_s=0.0, maintenance_windows=("thu 01:00-02:00", "thu 04:00-05:00 slots 0"))
    in_window = 3600.0 - studio.at  # the studio's clock began on a Thursday
    assert reserve(studio, "in it", in_window + 600, 600, "reserved_in_maintenance") == in_window + 3600
    assert reserve(studio, "into it", in_window - 300, 600, "reserved_in_maintenance") == in_window + 3600
    assert reserve(studio, "before it", in_window - 600, 600) is None
    assert reserve(studio, "beside it", in_window + 3 * 3600 + 600, 600) is None, "slot 1 is open all that time"
    too_many = reserve(studio, "too many", in_window + 3 * 3600 + 600, 600, "reserved_in_maintenance")
    assert too_many == in_window + 3 * 3600 + 1200


def test_job_longer_than_any_time_between_two_windows_is_promised_all_the_same() -> None:
    studio = Studio(reservation_notice_s=0.0, maintenance_windows=tuple(f"{day} 01:00-02:00" for day in DAYS))
    assert reserve(studio, "long", in_s=10_000, takes_s=90_000) is None
    assert reserve(studio, "longer", in_s=20_000, takes_s=90_000) == 100_000
