"""The queue over time: the past as the log has it, the future as it is forecast, and how true forecasts were."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import pytest

from dashboard import honesty, timeline
from dashboard.board import Board
from scheduler.forecast.scorebook import scores
from scheduler.forecasts import Forecasts, Foretold
from tests.unit.dashboard.web_rig import Web
from tests.unit.scheduler.store_rig import READER, move

SLOT: dict[str, Any] = {"slot": 0, "job_id": None, "state": "busy"}


def test_slot_shows_what_it_played_and_a_waiting_job_when_it_comes(house: Web) -> None:
    ran, runs, waits = (house.job(number) for number in (1, 2, 3))
    for job in (ran, runs):
        house.move(job, "QUEUED", "LEASED", slot=0, lease_id=f"l{job}")
        begun = dataclasses.replace(move("LEASED", "RUNNING", job), tag="job:started", body={"slot": 0})
        with house.store.transaction():
            house.store.move_job(begun, READER, time.time())
        if job == ran:
            house.move(job, "RUNNING", "SUCCEEDED")
    now = time.time()
    told = {
        runs: {"estimate": {"start": [now] * 3, "finish": [now + 60, now + 90, now + 120], "runs": 9}},
        waits: {"estimate": {"start": [now + 60, now + 90, now + 120], "finish": [now + 180, now + 240, now + 300], "runs": 9}},
    }
    reads = house.house.reads
    drawn = timeline.draw(reads, [{**SLOT, "job_id": runs}], reads.waiting(10)[0], told, now)
    assert [(bar.kind, bar.job["id"]) for bar in drawn.slots[0].bars] == [
        ("past", ran), ("now", runs), ("range", runs), ("middle", runs)
    ]  # fmt: skip
    (lane,) = drawn.waiting
    spread, middle = lane.bars
    assert (spread.since, spread.until) == (now + 60, now + 300)
    assert drawn.now_at < spread.left < middle.left < 100
    assert spread.left + spread.width <= 100


def test_job_that_gave_way_is_drawn_where_it_ends_and_not_as_if_it_ran(house: Web) -> None:
    job, now = house.job(), time.time()
    told = {job: {"estimate": {"start": [now - 60] * 3, "finish": [now + 600, now + 900, now + 1200], "runs": 9}}}
    reads = house.house.reads
    ((spread, middle),) = (lane.bars for lane in timeline.draw(reads, [], reads.waiting(10)[0], told, now).waiting)
    assert (spread.since, spread.until, middle.since, middle.width) == (now + 600, now + 1200, now + 900, 0)
    told[job]["estimate"]["goes_on"] = [now + 60, now + 90, now + 120]
    ((spread, middle),) = (lane.bars for lane in timeline.draw(reads, [], reads.waiting(10)[0], told, now).waiting)
    assert (spread.since, spread.until, middle.since, middle.until) == (now + 60, now + 1200, now + 90, now + 900)


@pytest.mark.parametrize(("language", "word"), [("en", "goes on"), ("zh-CN", "预计继续")])
def test_page_of_a_job_that_gave_way_says_when_it_goes_on(
    house: Web, monkeypatch: pytest.MonkeyPatch, language: str, word: str
) -> None:
    job, now = house.job(), time.time()
    known = {"start": [now - 60] * 3, "goes_on": [now + 60, now + 90, now + 120], "finish": [now + 600] * 3, "runs": 12}
    monkeypatch.setattr(Board, "told", lambda self: Foretold({job: {"estimate": known, "estimate_state": "known"}}))
    client = house.person("ana", "coordinator")
    page = client.get(f"/dashboard/jobs/{job}", headers={"Accept-Language": language}).get_data(as_text=True)
    assert f'data-expect-part="goes_on" >{word} ' in page and 'data-expect-part="starts" hidden' in page
    known["goes_on"] = None
    page = client.get(f"/dashboard/jobs/{job}", headers={"Accept-Language": language}).get_data(as_text=True)
    assert 'data-expect-part="goes_on" hidden' in page


def test_page_names_why_nothing_is_expected(house: Web) -> None:
    house.job()
    page = house.local().get("/dashboard/queue/").get_data(as_text=True)
    assert "the forecaster does not answer" in page
    assert "does not answer" in house.local().get("/dashboard/queue/honesty").get_data(as_text=True)


def test_page_reads_what_the_board_knows(house: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    job, now = house.job(), time.time()
    known = {"start": [now + 300, now + 400, now + 500], "finish": [now + 900, now + 1200, now + 1500], "runs": 12}
    monkeypatch.setattr(Board, "told", lambda self: Foretold({job: {"estimate": known, "estimate_state": "known"}}))
    page = house.local().get("/dashboard/queue/").get_data(as_text=True)
    assert 'class="bar-range"' in page and 'class="bar-middle"' in page
    for path in ("/users/reader", "/dashboard", f"/dashboard/jobs/{job}"):
        client = house.person("ana", "coordinator")
        assert "learnt from 12 finished jobs" in client.get(path).get_data(as_text=True)


def test_dot_says_late_or_early_and_whether_the_window_held(house: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    base = {"job_id": "j1", "at": now - 200, "finish_p10": now - 120, "finish_p50": now - 100, "finish_p90": now - 60}
    rows = [
        {**base, "state": "SUCCEEDED", "finished_at": now - 90},
        {**base, "state": "SUCCEEDED", "finished_at": now - 50},
        {**base, "state": "CANCELLED", "finished_at": now - 70},
    ]
    monkeypatch.setattr(type(house.house.reads.store), "forecast_outcomes", lambda self, since: rows)
    found = house.local().get("/forecast/chart?range=1h").get_json()
    assert {trace["kind"]: trace["y"] for trace in found["traces"]} == {"inside": [10.0], "outside": [50.0]}
    assert honesty.is_inside(rows[0]) and not honesty.is_inside(rows[1])


def test_score_page_says_which_jobs_it_leaves_out_and_why(house: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"state": state, "at": 9.0, "finished_at": 5.0} for state in ("CANCELLED", "CANCELLED", "FAILED", "SUCCEEDED")]
    told = {"state": "SUCCEEDED", "at": 1.0, "finished_at": 5.0, "finish_p10": 2.0, "finish_p50": 3.0, "finish_p90": 9.0}
    monkeypatch.setattr(Forecasts, "score", lambda _: scores([told, *rows]))
    page = house.local().get("/dashboard/queue/honesty").get_data(as_text=True)
    assert "4 more prove nothing: 2 cancelled, 1 failed, 1 ended before their forecast." in page
