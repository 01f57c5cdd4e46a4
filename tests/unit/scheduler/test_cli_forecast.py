"""`forecast show` as people read it: what is foretold, and what has been already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scheduler.cli.app import app
from scheduler.cli.forecast import told_text
from scheduler.forecast.scorebook import scores
from scheduler.forecasts import Forecasts
from tests.unit.scheduler.store_rig import accept, go, writer

NOW = 1_000_000.0


def told(start: list[float], finish: list[float]) -> dict[str, Any]:
    """An estimate; seconds from now."""
    times = {"start": [NOW + value for value in start], "finish": [NOW + value for value in finish], "runs": 9}
    return {"estimate": times, "estimate_state": "known"}


def test_job_that_has_begun_is_not_told_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = {}
    with writer(tmp_path) as store:
        for number, path in enumerate((("RUNNING",), ("RUNNING", "PREEMPTING", "QUEUED"), ()), start=1):
            job_id = accept(store, number)
            go(store, "SUBMITTED", "QUEUED", job_id=job_id)
            if path:
                go(store, "QUEUED", "LEASED", "RUNNING", job_id=job_id, started_at=NOW - 42)
                go(store, *path, job_id=job_id)
            board[job_id] = told([-42, -42, -42] if path else [3, 5, 9], [20, 30, 50])
    monkeypatch.setattr(Forecasts, "everybody", lambda *_: board)
    monkeypatch.setattr("scheduler.cli.forecast.house_time", lambda _: NOW)
    lines = CliRunner().invoke(app, ["forecast", "show", "--data", str(tmp_path)]).output.splitlines()[1:]
    assert [line.split("  ")[1] for line in lines] == ["began 42 s ago", "began 42 s ago, waits to go on", "5 s (3 to 9)"]


def test_score_says_which_jobs_it_leaves_out_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"state": state, "at": 9.0, "finished_at": 5.0} for state in ("CANCELLED", "CANCELLED", "FAILED", "SUCCEEDED")]
    monkeypatch.setattr(Forecasts, "score", lambda _: scores(rows))
    shown = CliRunner().invoke(app, ["forecast", "score", "--data", str(tmp_path)]).output
    assert "not scored: 4 (2 cancelled, 1 failed, 1 ended before their forecast)" in shown


def test_estimate_of_a_submission_says_both_ends_and_a_beginning_that_has_been() -> None:
    assert told_text(told([3, 5, 9], [20, 30, 50]), NOW) == "starts in 5 s (3 to 9), ends in 30 s (20 to 50)"
    assert told_text(told([-1, -1, -1], [20, 30, 50]), NOW) == "began 1 s ago, ends in 30 s (20 to 50)"
