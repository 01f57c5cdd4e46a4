"""What is expected of jobs, on the board: windows that promise no more than the forecast, and rooms told of what moved."""

from __future__ import annotations

from typing import Any

from dashboard import formats
from dashboard.board import Board
from dashboard.expectations import expectation, window
from scheduler.forecasts import Foretold, Told
from tests.unit.dashboard.web_rig import Web

NOW = 1_795_282_800.0


def told(start: float, finish: float, spread: float = 300.0) -> Told:
    """A forecast: medians in seconds from NOW, and how far the others lie from them."""
    times = [[NOW + at - spread, NOW + at, NOW + at + spread] for at in (start, finish)]
    return {"estimate": {"start": times[0], "finish": times[1], "runs": 37}, "estimate_state": "known"}


class Fake:
    """A forecaster whose answer a test writes."""

    def __init__(self) -> None:
        self.jobs: dict[str, Told] = {}

    def everybody(self) -> Foretold:
        """The answer."""
        return Foretold(self.jobs) if self.jobs else Foretold()


def test_window_is_rounded_outwards_and_finely_only_when_narrow() -> None:
    assert window(NOW + 1, NOW + 58) == [NOW, NOW + 60]
    assert window(NOW + 62, NOW + 62 + 120) == [NOW + 60, NOW + 240]
    assert window(NOW + 61, NOW + 63) == [NOW + 60, NOW + 65]


def test_what_has_begun_is_no_longer_expected_to_start() -> None:
    shown = expectation(told(-600, 900), NOW)
    assert shown["starts"] is None
    assert shown["ends"] == [NOW + 600, NOW + 1200]
    assert expectation({"estimate": None, "estimate_state": "few_runs"})["estimate_state"] == "few_runs"
    assert expectation(Foretold().of("j1"))["estimate_state"] == "stale"
    assert expectation(Foretold({}).of("j1"))["estimate_state"] == "pending", "submitted since the forecaster looked"


def test_window_is_written_in_the_zone_with_the_day_when_it_is_another() -> None:
    zone = formats.zone_of("Asia/Shanghai")
    assert formats.window([0, 60], zone) == "01-01 08:00–08:01"
    assert formats.window([0, 65], zone) == "01-01 08:00:00–08:01:05"
    assert formats.window([60, 60], zone) == "01-01 08:01"
    assert formats.window(None) == "–"


def test_named_jobs_are_links_and_markup_stays_text() -> None:
    text = formats.linked("<b>it waits for jm7zk9wx43sx5</b>")
    assert text == '&lt;b&gt;it waits for <a href="/dashboard/jobs/jm7zk9wx43sx5">jm7zk9wx43sx5</a>&lt;/b&gt;'


def test_rooms_hear_once_of_what_moved_and_that_nothing_is_known_any_more(house: Web) -> None:
    mine, other = house.job(1, user="reader"), house.job(2, user="tom")
    fake, heard = Fake(), list[tuple[str, list[Any]]]()
    rooms = {"global", "user:reader", f"job:{other}", "role:teacher", "pulse"}
    in_view = {mine, other}
    board = Board(
        house.house.reads, fake, lambda _, payload, room: heard.append((room, payload["jobs"])), lambda: rooms, lambda: in_view  # type: ignore[arg-type]
    )

    def look() -> dict[str, list[str]]:
        heard.clear()
        board._asked_at = -1e9
        board.tick()
        return {room: [job["id"] for job in jobs] for room, jobs in heard}

    fake.jobs = {mine: told(600, 900), other: told(1200, 1800)}
    assert look() == {"global": [mine, other], "user:reader": [mine], f"job:{other}": [other]}
    assert look() == {}
    fake.jobs[mine] = told(660, 960)
    assert look() == {"global": [mine], "user:reader": [mine]}
    in_view.remove(other)
    assert look() == {}, "it left the view and has not ended: nobody is told"
    fake.jobs[other] = told(1260, 1860)
    assert look() == {f"job:{other}": [other]}
    in_view.add(other)
    assert look() == {"global": [other]}, "back in the view, its row is new there"
    fake.jobs = {}
    assert look() == {"global": [mine, other], "user:reader": [mine], f"job:{other}": [other]}
    assert {job["estimate_state"] for _, jobs in heard for job in jobs} == {"stale"}
