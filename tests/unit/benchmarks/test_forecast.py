"""Forecasters measured in processes of their own: the figures of one whole run; an early end and a file of what is finished."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.forecast import ERROR, LAWS, OF_ORACLE, Kept, judge, judge_kinds, main, measured
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
    assert found["median_error_wished"] == ERROR and "strictly" not in found and "playing" not in found


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
    assert found["median_error_wished"] == pytest.approx(OF_ORACLE * 0.16)
    assert found["reached"]["median_error"] == pytest.approx(0.2) and found["wished"]["median_error"]
    fewer = judge([house, _found(LAWS, {LAWS: [(50.0, 99.0, 120.0, 100.0)]})])
    assert fewer["jobs"] == 1 and fewer["median_error_wished"] == ERROR and not fewer["parts"]["jobs"]
    assert not fewer["wished"]["median_error"]


def _trace(name: str, off: list[float | None], laws_off: list[float] | None = None) -> list[Found]:
    """What the house said of a trace's jobs, so much off, and its oracle of laws."""

    def rows(off: list[float | None] | list[float]) -> list[Row | None]:
        return [None if one is None else (50.0, 100.0 * (1 + one), 300.0, 100.0) for one in off]

    simple = dict.fromkeys(SIMPLE, [(1.0, 2.0, 3.0, 100.0)] * len(off))
    parts = [_found(HOUSE, {ESTIMATOR: rows(off), **simple})]
    if laws_off is not None:
        parts.append(_found(LAWS, {LAWS: rows(laws_off)}))
    return [replace(part, trace=name) for part in parts]


def test_errors_of_all_jobs_of_a_kind_weigh_each_job_alike_and_count_the_same_jobs_of_all() -> None:
    traces = [
        _trace("drift 5", [0.1, 0.14, 0.3], [0.1, 0.1, 0.1]),
        _trace("drift 6", [0.9, None], [0.9]),
        _trace("peak 5", [0.8], [0.8]),
        _trace("faults 5", [0.16], [0.1]),
    ]
    drift, faults, peak, named = judge_kinds(traces)
    assert [kind["name"] for kind in (drift, faults, peak, named)] == ["drift", "faults", "peak", "named"]
    assert (drift["jobs"], drift["median_error"]) == (4, pytest.approx(0.22)), "of 0.1, 0.14, 0.3, 0.9"
    assert (drift["oracle"], drift["goal"], drift["is_reached"]) == (pytest.approx(0.1), ERROR, False)
    assert (peak["median_error"], peak["goal"], peak["is_reached"]) == (pytest.approx(0.8), pytest.approx(1.0), True)
    assert (faults["goal"], faults["is_reached"]) == (ERROR, False)
    assert (named["jobs"], named["median_error"], named["goal"], named["oracle"]) == (5, pytest.approx(0.16), ERROR, None)
    assert not named["is_reached"]


def test_kinds_without_an_oracle_or_without_forecasts_have_no_more_than_the_limit() -> None:
    plain, empty = judge_kinds([_trace("peak 5", [0.16])]), judge_kinds([_trace("peak 5", [None])])
    assert [(kind["goal"], kind["oracle"], kind["is_reached"]) for kind in plain] == [(ERROR, None, False)]
    assert [(kind["jobs"], kind["median_error"], kind["is_reached"]) for kind in empty] == [(0, None, False)]


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
