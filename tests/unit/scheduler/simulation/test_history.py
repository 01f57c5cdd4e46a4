"""The house's own past as a trace: what was asked for, the pace it really had, slots that lost their worker."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from engine.catalog import PRESETS
from scheduler.cli.app import app
from scheduler.cli.simulate import moment_of
from scheduler.core.block_times import BlockKey, BlockTime
from scheduler.costs import Costs
from scheduler.simulation.history import trace_of
from scheduler.simulation.pace import Paces
from scheduler.simulation.run import simulate
from scheduler.simulation.trace import read_lines
from scheduler.store import open_reader
from tests.unit.scheduler.store_rig import AT, READER, accept, go, writer

RECIPE = {"prompt": "x", "settings": {"size": "384*256", "steps": 3}}


def _write_past(data_dir: Path) -> None:
    with writer(data_dir) as store:
        accept(store, 1, recipe=RECIPE)
        accept(store, 2, recipe=RECIPE, team="", priority=50)
        with store.transaction():
            for tag in ("worker:ready", "worker:lost", "worker:ready", "worker:ready"):
                store.record(tag, "slot:0", {}, READER, AT + 5)


def test_past_becomes_a_trace_that_can_be_run_again(tmp_path: Path) -> None:
    _write_past(tmp_path)
    reader = open_reader(tmp_path)
    trace = trace_of(reader)
    reader.close()
    assert [(job.at, job.preset, job.priority, job.team) for job in trace.jobs] == [
        (0.0, "preview", 10, "education"), (1.0, "preview", 50, "none"),
    ]  # fmt: skip
    assert [fault.event for fault in trace.faults] == ["worker_lost", "worker_back"]
    assert simulate(trace, slots=1, forecasters={}).totals["succeeded"] == 2


def test_deadline_of_a_job_is_exported_and_can_be_read_again(tmp_path: Path) -> None:
    """One of them was approved when its deadline was over."""
    with writer(tmp_path) as store:
        accept(store, 1, recipe=RECIPE, deadline=AT + 101)
        accept(store, 2, recipe=RECIPE)
        accept(store, 3, recipe=RECIPE, deadline=AT + 20, preview="j000000000001")
        go(store, "SUBMITTED", "QUEUED", job_id="j000000000003", approved_at=AT + 31)
    with closing(open_reader(tmp_path)) as reader:
        trace = trace_of(reader)
    assert [(job.at, job.deadline) for job in trace.jobs] == [(0.0, 100.0), (1.0, None), (30.0, 30.0)]
    assert read_lines(trace.to_lines()).jobs == trace.jobs
    late = simulate(trace, slots=1, forecasters={}).to_mapping()["jobs"]
    assert [job["deadline_met"] for job in late] == [True, None, False]


def test_job_that_never_made_a_block_is_played_at_what_is_known_of_its_settings(tmp_path: Path) -> None:
    """Its settings are those of no preset: learnt where blocks like it were made, else in proportion to `standard`."""
    odd = {"model": "pocket", "prompt": "x", "settings": {"size": "384*256", "steps": 5}}
    with writer(tmp_path) as store:
        accept(store, 1, recipe=odd, width=256, height=384)
        accept(store, 2, recipe=odd, width=128, height=192)
        with store.transaction():
            store.keep_block_time(BlockKey("pocket", "128x192", 4, "cpu"), BlockTime(0.8, 0.02, 1.0, 50), AT)
    with closing(open_reader(tmp_path)) as reader:
        trace = trace_of(reader)
    assert [(job.preset, job.block_s) for job in trace.jobs] == [("384*256:5", None), ("384*256:5", 1.0)]
    exact = Costs(block_s=2.0, job_sigma=0.0, block_sigma=0.0, drift_sigma=0.0)
    told = read_lines(trace.to_lines())
    expected = 2.0 * (384 * 256 * 5) / (688 * 368 * PRESETS["standard"].steps)
    first, second = (Paces(exact, 1).mean_s(job) for job in told.jobs)
    assert (first, second) == (pytest.approx(expected), 1.0)
    assert simulate(told, slots=1, forecasters={}).totals["succeeded"] == 2


def test_command_line_exports_makes_and_runs_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENROOM_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("GREENROOM_ZONE", "Asia/Shanghai")
    (tmp_path / "data").mkdir()
    _write_past(tmp_path / "data")
    runner = CliRunner()
    exported = runner.invoke(app, ["trace", "export", "--hours", "0"])
    assert next(json.loads(line)["at"] for line in exported.stdout.splitlines()) == 0.0
    begins = datetime.fromtimestamp(AT + 1, ZoneInfo("Asia/Shanghai")).isoformat(timespec="seconds")
    assert f"Its second 0 was {begins}: " in exported.stderr and begins.endswith("+08:00")
    assert int(moment_of(begins)) == int(AT + 1), "`simulate --begins` takes it as it is"
    day = str(tmp_path / "day.jsonl")
    assert runner.invoke(app, ["trace", "make", "peak", "--jobs", "40", "--output", day]).exit_code == 0
    run = runner.invoke(app, ["simulate", day, "--slots", "2", "--seed", "1", "--json"])
    answer = json.loads(run.stdout)
    assert answer["totals"]["jobs"] == 40 and {"work_ahead", "history"} <= answer["baselines"].keys()
    assert all(job["wait_s"] is not None for job in answer["jobs"])


def test_export_takes_hours_that_are_a_number_and_as_many_as_one_likes(tmp_path: Path) -> None:
    _write_past(tmp_path)
    for hours in ("nan", "inf", "-1"):
        refused = CliRunner().invoke(app, ["trace", "export", "--hours", hours, "--data", str(tmp_path)])
        assert refused.exit_code == 64 and f"--hours is {hours}" in refused.stderr and "0 for everything" in refused.stderr
    words = ("trace", "export", "--data", str(tmp_path), "--hours")
    whole, far = (CliRunner().invoke(app, [*words, hours]) for hours in ("0", "1e300"))
    assert far.exit_code == 0 and far.stdout == whole.stdout


def test_numbers_of_a_policy_file_reach_the_simulated_run(tmp_path: Path) -> None:
    day, policy = tmp_path / "day.jsonl", tmp_path / "policy.yaml"
    day.write_text('{"at": 0, "id": "a", "user": "u", "team": "t", "role": "r", "priority": 1, "blocks": 10}\n')
    policy.write_text("preempt_margin: 9\nsimulation:\n  block_s: 2.0\n  job_sigma: 0\n  block_sigma: 0\n  drift_sigma: 0\n")
    runner = CliRunner()
    run = runner.invoke(app, ["simulate", str(day), "--policy", str(policy), "--json"])
    assert json.loads(run.stdout)["jobs"][0]["finish_s"] == pytest.approx(20.25)
    policy.write_text("preempt_margin: 9\nsimulation:\n  blok_s: 2.0\n")
    refused = runner.invoke(app, ["simulate", str(day), "--policy", str(policy)])
    assert refused.exit_code == 64 and "line 3" in refused.stderr and "blok_s" in refused.stderr


@pytest.mark.parametrize(
    ("ordering", "words", "told"),
    [("fifo", (), "fifo"), ("fifo", ("--order", "shortest"), "shortest"), ("standard", (), "greenroom")],
)
def test_run_tells_the_order_that_was_run(tmp_path: Path, ordering: str, words: tuple[str, ...], told: str) -> None:
    day, policy = tmp_path / "day.jsonl", tmp_path / "policy.yaml"
    day.write_text('{"at": 0, "id": "a", "user": "u", "team": "t", "role": "r", "priority": 1, "blocks": 10}\n')
    policy.write_text(f"ordering: {ordering}\n")
    run = CliRunner().invoke(app, ["simulate", str(day), "--policy", str(policy), "--json", *words])
    assert json.loads(run.stdout)["order"] == told


def test_table_of_a_run_has_classes_of_priority_and_its_json_every_priority(tmp_path: Path) -> None:
    day = tmp_path / "day.jsonl"
    line = {"user": "u", "team": "t", "role": "r", "blocks": 4}
    jobs = [{**line, "at": 2.0 * number, "id": f"a{number}", "priority": 3 * number} for number in range(12)]
    day.write_text("\n".join(json.dumps(job) for job in jobs))
    shown = CliRunner().invoke(app, ["simulate", str(day)]).stdout.splitlines()
    told = json.loads(CliRunner().invoke(app, ["simulate", str(day), "--json"]).stdout)["totals"]["by_priority"]
    first = next(number for number, text in enumerate(shown) if text.startswith("all "))
    assert [text.split()[0] for text in shown[first : first + 5]] == ["all", "high", "normal", "low", "finish"]
    assert set(told) == {str(3 * number) for number in range(12)}
