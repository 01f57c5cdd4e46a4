"""Forecasters measured in processes of their own: the figures of one whole run; an early end and a file of what is finished."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.forecast import ERROR, LAWS, OF_ORACLE, Kept, judge, main, measured, pooled
from benchmarks.forecast_told import told_forecasters
from benchmarks.forecast_trace import HOUSE, OUTCOMES, SIMPLE, Found, Row, Task, measure
from scheduler.costs import Costs
from scheduler.simulation.run import ESTIMATOR, simulate, usual_forecasters
from scheduler.simulation.synthetic import synthetic_trace

DRIFT = Task(kind="drift", seed=5, jobs=40, slots=2, asked=HOUSE)


def test_figures_of_parts_are_those_of_one_whole_run() -> None:
    trace, costs = synthetic_trace("drift", slots=2, jobs=40, seed=5), Costs()
    forecasters = usual_forecasters(trace, costs, 5) | told_forecasters(["chances"], trace, costs, 5, "drift", 2)
    whole = simulate(trace, slots=2, costs=costs, seed=5, forecasters=forecasters)
    found = judge([measure(replace(DRIFT, asked=asked)) for asked in (HOUSE, LAWS, OUTCOMES)])
    assert found["jobs"] == 40 and found["parts"]["jobs"]
    assert found["reached"] == {name: whole.totals[name] for name in found["reached"]}
    assert found["baselines"] == whole.baselines
    assert (found["mean_wait_s"], found["preemptions"]) == (whole.totals["mean_wait_s"], whole.totals["preemptions"])


def test_plain_run_asks_the_house_and_the_simple_ways_alone() -> None:
    found = judge([measure(DRIFT)])
    assert set(found["baselines"]) == set(SIMPLE)
    assert found["goal"]["median_error"] == ERROR and "strictly" not in found and "playing" not in found


def test_trace_that_did_not_come_to_its_end_is_missed() -> None:
    found = judge([measure(replace(DRIFT, until=0.0)), measure(replace(DRIFT, asked=OUTCOMES))])
    assert found["jobs"] == 0
    assert not any(found["parts"].values()) and not found["is_reached"]


def _found(asked: str, told: dict[str, list[Row | None]], of: int = 2) -> Found:
    jobs = len(next(iter(told.values())))
    return Found(
        trace="drift 5", asked=asked, jobs=jobs, of=of, slots=2, told=told, playing=[], mean_wait_s=None, preemptions=0,
        seconds=0.0,
    )  # fmt: skip


def test_error_is_allowed_by_the_oracle_of_laws_where_that_is_above_and_over_the_same_jobs() -> None:
    simple = dict.fromkeys(SIMPLE, [(1.0, 2.0, 3.0, 100.0)] * 2)
    house = _found(HOUSE, {ESTIMATOR: [(50.0, 80.0, 120.0, 100.0)] * 2, **simple})
    laws = _found(LAWS, {LAWS: [(50.0, 84.0, 120.0, 100.0)] * 2})
    found = judge([house, laws])
    assert found["goal"]["median_error"] == pytest.approx(OF_ORACLE * 0.16)
    assert found["reached"]["median_error"] == pytest.approx(0.2) and found["parts"]["median_error"]
    fewer = judge([house, _found(LAWS, {LAWS: [(50.0, 99.0, 120.0, 100.0)]})])
    assert fewer["jobs"] == 1 and fewer["goal"]["median_error"] == ERROR and not fewer["parts"]["jobs"]
    assert not fewer["parts"]["median_error"]


def test_errors_of_all_jobs_together_weigh_each_job_alike() -> None:
    def house(trace: str, *off: float | None) -> Found:
        rows = [None if one is None else (50.0, 100.0 * (1 + one), 300.0, 100.0) for one in off]
        return replace(_found(HOUSE, {ESTIMATOR: rows}), trace=trace)

    found = pooled([house("drift 5", 0.1, 0.2, 0.3), house("drift 6", 0.9, None), house("peak 5", 0.8)])
    assert {name: (of["jobs"], of["median_error"]) for name, of in found.items()} == {
        "all": (5, pytest.approx(0.3)), "drift": (4, pytest.approx(0.25)), "peak": (1, pytest.approx(0.8)),
    }  # fmt: skip


def test_what_is_kept_is_not_measured_again_and_another_code_s_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "kept.jsonl"
    tasks = [DRIFT, replace(DRIFT, asked=OUTCOMES)]
    first = [judge(parts) for parts in measured(tasks, 2, Kept(file))]
    assert capsys.readouterr().err.count("40 of 40 jobs") == 2
    assert [judge(parts) for parts in measured(tasks, 2, Kept(file))] == first
    assert capsys.readouterr().err == ""
    assert Kept(file).find(replace(DRIFT, is_playing=True)) is None
    file.write_text("".join(json.dumps(json.loads(line) | {"code": "older"}) + "\n" for line in file.read_text().splitlines()))
    assert Kept(file).find(DRIFT) is None


def test_unfinished_parts_are_not_kept(tmp_path: Path) -> None:
    file = tmp_path / "kept.jsonl"
    Kept(file).keep(DRIFT, measure(replace(DRIFT, until=0.0)))
    assert not file.exists()


def test_rubbish_is_named_with_the_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        (["--kinds", "storm"], "--kinds does not know storm; it knows peak"),
        (["--told", "all"], "--told does not know all; it knows own_pace"),
        (["--at-once", "0"], "--at-once: at least 1"),
    ):
        with pytest.raises(SystemExit):
            main(arguments)
        assert words in capsys.readouterr().err
