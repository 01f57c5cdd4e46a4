"""Moments as the command line tells them: in the studio's zone, never without saying which."""

from __future__ import annotations

import pytest

from scheduler.errors import SchedulerError
from scheduler.zone import VARIABLE, moment_text

WINTER, SUMMER = 1_767_225_600.0, 1_782_864_000.5  # 2026-01-01 and 2026-07-01, midnight in UTC


@pytest.mark.parametrize(
    ("zone", "told"),
    [("Europe/Berlin", ("2026-01-01 01:00:00+01:00", "2026-07-01 02:00:00+02:00")),
     ("Asia/Shanghai", ("2026-01-01 08:00:00+08:00", "2026-07-01 08:00:00+08:00"))],
)  # fmt: skip
def test_moment_is_told_in_the_studios_zone_as_it_was_then(
    monkeypatch: pytest.MonkeyPatch, zone: str, told: tuple[str, str]
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    monkeypatch.setenv(VARIABLE, zone)
    assert (moment_text(WINTER), moment_text(SUMMER)) == told


def test_row_of_the_log_is_told_like_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "Asia/Shanghai")
    assert moment_text("2026-01-01T00:00:00.123456Z", "milliseconds") == "2026-01-01 08:00:00.123+08:00"
    assert moment_text("not a time") == "not a time", "of a log that was tampered with"


def test_zone_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "Mars")
    with pytest.raises(SchedulerError, match="Mars"):
        moment_text(WINTER)
