"""A played day lives in real time: weekly maintenance windows and days of quotas fall on it as they would on the house."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scheduler.cli.app import app
from scheduler.core.invariants import check_invariants
from scheduler.core.maintenance import DAYS
from scheduler.core.policy import Policy
from scheduler.costs import Costs
from scheduler.simulation.run import Result, simulate
from scheduler.simulation.synthetic import synthetic_trace
from scheduler.simulation.trace import Trace, TraceFault, TraceJob

EXACT = Costs(
    job_sigma=0.0, block_sigma=0.0, drift_sigma=0.0, switch_s=0.0, cold_start_s=0.0, close_s=0.0, block_s=1.0
)
MONDAY = datetime(2026, 11, 23, tzinfo=UTC).timestamp()


def _job(number: int, at: float = 0.0, **changes: object) -> TraceJob:
    job = TraceJob(at=at, id=f"j{number}", user="u", team="t", role="teacher", priority=10, blocks=10)
    return replace(job, **changes)  # type: ignore[arg-type]


def _run(*jobs: TraceJob, begins_at: float = MONDAY, policy: Policy | None = None) -> Result:
    trace = Trace(jobs=jobs, begins_at=begins_at)
    return simulate(trace, slots=1, costs=EXACT, policy=policy or Policy(), forecasters={}, check=check_invariants)


@pytest.mark.parametrize(("day", "finish_s"), [("mon", 1810.0), ("tue", 10.0), ("thu", 10.0)])
def test_window_falls_on_its_day_of_the_week(day: str, finish_s: float) -> None:
    policy = Policy(maintenance_windows=(f"{day} 10:00-10:30",))
    (record,) = _run(_job(1, at=10 * 3600.0), policy=policy).records
    assert record.finish_s == pytest.approx(finish_s, abs=1.1)


def test_window_that_opened_while_nobody_was_there_is_open_for_who_comes() -> None:
    """The first job's second hand stands still at 9:01; the next one comes in the midst of a window."""
    policy = Policy(maintenance_windows=("mon 10:00-10:30",))
    before, within = _run(_job(1, at=9 * 3600.0), _job(2, at=10.25 * 3600), policy=policy).records
    assert (before.finish_s, within.leased_at) == (10.0, pytest.approx(10.5 * 3600, abs=1.1))


@pytest.mark.parametrize("window", ["mon 00:00-02:00", "mon 00:00-22:00"])
def test_job_waits_for_the_end_of_a_long_window(window: str) -> None:
    """Nothing moves for hours, and yet nothing is lost."""
    result = _run(_job(1, at=30.0), policy=Policy(maintenance_windows=(window,)))
    ends = 3600.0 * int(window[-5:-3])
    assert result.records[0].ended_at == pytest.approx(ends + 10.0, abs=1.1) and not result.notes


@pytest.mark.parametrize(
    ("windows", "lost"), [(["mon 00:00-06:00"], True), ([f"{day} 00:00-00:00" for day in DAYS], False)],
    ids=["its worker is gone", "the house is always closed"],
)  # fmt: skip
def test_run_ends_where_no_window_will_help(windows: list[str], lost: bool) -> None:
    faults = (TraceFault(at=40.0, event="worker_lost", slot=0),) if lost else ()
    trace = Trace(jobs=(_job(1, at=30.0),), faults=faults, begins_at=MONDAY)
    policy = Policy(maintenance_windows=tuple(windows))
    result = simulate(trace, slots=1, costs=EXACT, policy=policy, forecasters={})
    assert result.totals["unfinished"] == 1 and "never ended" in result.notes[0]


def test_stop_for_maintenance_counts_as_no_preemption() -> None:
    policy = Policy(maintenance_windows=("mon 10:00-10:30",))
    job = _job(1, at=9.75 * 3600.0, blocks=1800)
    (record,) = _run(job, policy=policy).records
    assert len(record.spells) == 2 and record.finish_s == pytest.approx(3600.0, abs=2.1)
    assert record.preemptions == 0


@pytest.mark.parametrize(("starts_s", "refused"), [(0.0, 0), (6 * 3600.0, 1)])
def test_day_of_quotas_begins_when_the_policy_says(starts_s: float, refused: int) -> None:
    """Ten seconds at 23:00 and at 1:00 of the next day; the quota of a day allows fifteen."""
    policy = Policy(gpu_s_per_day_per_user=15.0, quota_day_starts_s=starts_s)
    result = _run(_job(1, at=3 * 3600.0), _job(2, at=5 * 3600.0), begins_at=MONDAY + 20 * 3600.0, policy=policy)
    assert result.totals["rejected"] == refused
    assert ("The next day of quotas begins at 06:00 UTC." in result.records[1].error) == bool(refused)


def test_times_that_are_told_stay_those_of_the_trace() -> None:
    """Of a day without windows and quotas nobody sees when it was; deadlines move along with it."""
    trace = synthetic_trace("peak", slots=2, jobs=25, seed=3)
    trace = replace(trace, jobs=tuple(replace(job, deadline=job.at + 60.0) for job in trace.jobs))
    then, now = (simulate(replace(trace, begins_at=at), slots=2, seed=1) for at in (0.0, MONDAY))
    for one, other in zip(then.records, now.records, strict=True):
        assert (other.wait_s, other.finish_s) == pytest.approx((one.wait_s, one.finish_s), abs=1e-5)
        for name in ("estimator", "oracle"):
            before, after = one.predictions[name], other.predictions[name]
            assert (before is None) == (after is None)
            if before is not None and after is not None:
                assert after.finish.p50 == pytest.approx(before.finish.p50, rel=1e-3)


def test_trace_in_seconds_since_1970_is_lived_from_its_first_day_on() -> None:
    """The same day twice: as it counts from midnight, and from 1970."""
    made = synthetic_trace("peak", slots=2, jobs=25, seed=3)
    late = replace(
        made, jobs=tuple(replace(job, at=MONDAY + job.at) for job in made.jobs),
        faults=tuple(replace(fault, at=MONDAY + fault.at) for fault in made.faults),
    )  # fmt: skip
    assert (made.opens, late.opens) == (0.0, MONDAY)
    now, then = (simulate(trace, slots=2, seed=1, check=check_invariants) for trace in (replace(made, begins_at=MONDAY), late))
    assert [record.finish_s for record in then.records] == pytest.approx([record.finish_s for record in now.records], abs=1e-5)
    assert then.totals["utilisation"] == now.totals["utilisation"] and then.events == now.events


def test_command_line_says_when_a_trace_begins(tmp_path: Path) -> None:
    day, policy = tmp_path / "day.jsonl", tmp_path / "policy.yaml"
    day.write_text(json.dumps(_job(1).to_mapping()) + "\n")
    policy.write_text("maintenance_windows: [mon 00:00-00:30]\nsimulation: {job_sigma: 0}\n")

    def wait_s(*words: str) -> float:
        run = CliRunner().invoke(app, ["simulate", str(day), "--policy", str(policy), "--json", *words])
        assert run.exit_code == 0, run.output
        return float(json.loads(run.stdout)["jobs"][0]["wait_s"])

    assert wait_s() == 0.0, "second 0 is that of 1970, a Thursday"
    assert wait_s("--begins", "2026-11-23") == pytest.approx(1800.0, abs=1.1)
    assert wait_s("--begins", "2026-11-23T00:10") == pytest.approx(1200.0, abs=1.1)
    assert wait_s("--begins", "2026-11-23T08:10+08:00") == pytest.approx(1200.0, abs=1.1)
    for text in ("monday", "1969-12-31", "9999-12-31"):
        refused = CliRunner().invoke(app, ["simulate", str(day), "--begins", text])
        assert refused.exit_code == 64 and f"--begins is '{text}'" in refused.stderr and "2026-11-23" in refused.stderr
