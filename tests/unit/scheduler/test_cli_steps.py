"""Progress in a log: a line for each twentieth, none too soon after another, and always one that is worth it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scheduler.cli import simulate as command
from scheduler.cli import steps
from scheduler.cli.app import app
from scheduler.cli.steps import Steps
from scheduler.simulation.synthetic import synthetic_trace


def _lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_log_has_a_line_for_each_twentieth_and_what_is_worth_one(capsys: pytest.CaptureFixture[str]) -> None:
    with Steps("work") as show:
        for done in range(101):
            show.update(done, 100, "going")
        show.update(100, 100, "still there", is_long=True)
    found = _lines(capsys)
    assert found[0] == "work: 0 of 100, going" and found[1] == "work: 5 of 100, going"
    assert len(found) == steps.LINES + 2 and found[-1] == "work: 100 of 100, still there"


def test_log_stays_quiet_for_as_long_as_was_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(steps.time, "monotonic", lambda: now)
    with Steps("work", 10.0) as show:
        for done in range(40):
            now = 100.0 + done
            show.update(done, 40, "going")
    assert _lines(capsys) == [f"work: {done} of 40, going" for done in (10, 20, 30)]


def test_simulation_says_how_far_it_is_beside_its_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = tmp_path / "day.jsonl"
    lines = synthetic_trace("calm", slots=1, jobs=20, seed=3).to_lines()
    trace.write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(command, "QUIET_S", 0.0)
    result = CliRunner().invoke(app, ["simulate", str(trace), "--json"])
    assert result.exit_code == 0 and len(json.loads(result.stdout)["jobs"]) == 20
    told = result.stderr.splitlines()
    assert len(told) == 20 and told[0].startswith("simulate: 1 of 20, ") and told[-1].endswith(" s of the trace")
