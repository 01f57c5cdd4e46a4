"""`forecast show` as people read it: what is foretold, and what has been already."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scheduler.cli.app import app
from scheduler.cli.forecast import told_text
from scheduler.forecast.scorebook import scores
from scheduler.forecasts import Forecasts, Foretold
from tests.unit.scheduler.store_rig import accept, go, writer

NOW = 1_000_000.0


def told(start: list[float], finish: list[float], goes_on: list[float] | None = None) -> dict[str, Any]:
    """An estimate; seconds from now."""
    spans = {"start": start, "finish": finish, "goes_on": goes_on}
    times = {name: span and [NOW + value for value in span] for name, span in spans.items()}
    return {"estimate": {**times, "runs": 9}, "estimate_state": "known"}


def test_job_that_has_begun_is_told_to_go_on_and_not_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ends = [-42, -42, -42], [20, 30, 50]
    with writer(tmp_path) as store:
        jobs = [accept(store, number) for number in range(1, 5)]
    forecasts = (told(begun, ends), told(begun, ends, [7, 11, 18]), told([3, 5, 9], ends), told(begun, ends, [-3, -2, -1]))
    board = Foretold(dict(zip(jobs, forecasts, strict=True)))
    monkeypatch.setattr(Forecasts, "everybody", lambda *_: board)
    monkeypatch.setattr("scheduler.cli.forecast.house_time", lambda _: NOW)
    lines = CliRunner().invoke(app, ["forecast", "show", "--data", str(tmp_path)]).output.splitlines()[1:]
    cells = [[cell for cell in line.split("  ") if cell] for line in lines]
    assert [cell[1].strip() for cell in cells] == ["began 42 s ago", "began 42 s ago, goes on in 11 s (7 to 18)", "5 s (3 to 9)",
                                                     "began 42 s ago"]  # fmt: skip


@pytest.mark.parametrize(("board", "state"), [(Foretold({}), "pending"), (Foretold(), "stale")])
def test_open_job_that_the_forecaster_said_nothing_of_is_listed_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, board: Foretold, state: str
) -> None:
    with writer(tmp_path) as store:
        job_id = accept(store, 1)
    monkeypatch.setattr(Forecasts, "everybody", lambda *_: board)
    shown = CliRunner().invoke(app, ["forecast", "show", "--json", "--data", str(tmp_path)]).output
    assert json.loads(shown) == {"jobs": {job_id: {"estimate": None, "estimate_state": state}}}


def test_page_of_one_job_says_when_it_goes_on_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with writer(tmp_path) as store:
        job_id = accept(store, 1)
        go(store, "SUBMITTED", "QUEUED", "LEASED", "RUNNING", "PREEMPTING", "QUEUED", job_id=job_id, started_at=NOW - 42)
    board = Foretold({job_id: told([-42, -42, -42], [20, 30, 50], [7, 11, 18])})
    monkeypatch.setattr(Forecasts, "everybody", lambda *_: board)
    monkeypatch.setattr("scheduler.cli.jobs.house_time", lambda _: NOW)
    shown = CliRunner().invoke(app, ["jobs", job_id, "--data", str(tmp_path)]).output
    assert "expected: began 42 s ago, goes on in 11 s (7 to 18), ends in 30 s (20 to 50)" in shown
    as_data = json.loads(CliRunner().invoke(app, ["jobs", job_id, "--json", "--data", str(tmp_path)]).output)
    assert (as_data["estimate"], as_data["estimate_state"]) == (board[job_id]["estimate"], "known")


def test_score_says_which_jobs_it_leaves_out_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"state": state, "at": 9.0, "finished_at": 5.0} for state in ("CANCELLED", "CANCELLED", "FAILED", "SUCCEEDED")]
    monkeypatch.setattr(Forecasts, "score", lambda _: scores(rows))
    shown = CliRunner().invoke(app, ["forecast", "score", "--data", str(tmp_path)]).output
    assert "not scored: 4 (2 cancelled, 1 failed, 1 ended before their forecast)" in shown


def test_estimate_of_a_submission_says_both_ends_and_a_beginning_that_has_been() -> None:
    assert told_text(told([3, 5, 9], [20, 30, 50]), NOW) == "starts in 5 s (3 to 9), ends in 30 s (20 to 50)"
    assert told_text(told([-1, -1, -1], [20, 30, 50]), NOW) == "began 1 s ago, ends in 30 s (20 to 50)"
