"""A simulated run: the real core, virtual time, true paces that nobody but the simulated worker sees."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from scheduler.core.invariants import check_invariants
from scheduler.core.job import JobState
from scheduler.core.policy import Policy
from scheduler.costs import Costs
from scheduler.errors import SchedulerError
from scheduler.forecast.witness import Request, Witness
from scheduler.simulation.fairness import service_ratio
from scheduler.simulation.pace import Paces
from scheduler.simulation.records import JobRecord
from scheduler.simulation.run import Result, simulate
from scheduler.simulation.synthetic import synthetic_trace
from scheduler.simulation.trace import Trace, TraceFault, TraceJob, read_lines

EXACT = Costs(
    job_sigma=0.0, block_sigma=0.0, drift_sigma=0.0, switch_s=0.0, cold_start_s=0.0, close_s=0.0, block_s=0.5
)


def _job(number: int, at: float = 0.0, **changes: object) -> TraceJob:
    job = TraceJob(at=at, id=f"j{number}", user="u", team="t", role="teacher", priority=10, blocks=10)
    return replace(job, **changes)  # type: ignore[arg-type]


def _run(*jobs: TraceJob, slots: int = 1, faults: tuple[TraceFault, ...] = (), **options: object) -> Result:
    settings = {"costs": EXACT, "forecasters": {}, "check": check_invariants, **options}
    return simulate(Trace(jobs=jobs, faults=faults), slots=slots, **settings)  # type: ignore[arg-type]


def test_without_noise_the_times_are_those_of_arithmetic() -> None:
    result = _run(_job(1), _job(2), _job(3, at=1.0))
    assert [record.wait_s for record in result.records] == pytest.approx([0.0, 5.0, 9.0])
    assert [record.finish_s for record in result.records] == pytest.approx([5.0, 10.0, 14.0])
    assert result.totals["utilisation"] == 1.0 and result.totals["mean_wait_s"] == pytest.approx(14 / 3, abs=1e-3)


def test_switches_cold_starts_and_closing_cost_what_the_policy_says() -> None:
    costs = replace(EXACT, switch_s=2.0, cold_start_s=7.0, close_s=1.0)
    faults = (TraceFault(at=20.0, event="worker_lost", slot=0), TraceFault(at=21.0, event="worker_back", slot=0))
    jobs = (_job(1), _job(2, role="student"), _job(3, at=30.0, role="student"))
    result = _run(*jobs, faults=faults, costs=costs)
    assert [record.prepare_s for record in result.records] == [2.0, 2.0, 7.0]
    assert [record.finish_s for record in result.records] == pytest.approx([8.0, 16.0, 13.0])


def test_urgent_job_waits_one_block_and_its_victim_loses_none() -> None:
    result = _run(_job(1, blocks=100), _job(2, at=10.2, priority=100))
    victim, urgent = result.records
    assert urgent.wait_s is not None and urgent.wait_s <= 0.5
    assert victim.preemptions == 1 and victim.finish_s == pytest.approx(55.0)
    assert result.totals["by_priority"]["100"]["p99_wait_s"] <= 0.5


def test_lost_worker_costs_its_job_only_the_block_it_was_making() -> None:
    faults = (TraceFault(at=3.2, event="worker_lost", slot=0), TraceFault(at=10.0, event="worker_back", slot=0))
    (record,) = _run(_job(1), faults=faults).records
    assert record.losses == 1 and record.finish_s == pytest.approx(10.0 + 4 * 0.5)


def test_run_ends_when_no_slot_ever_comes_back_and_says_so() -> None:
    result = _run(_job(1), faults=(TraceFault(at=1.0, event="worker_lost", slot=0),))
    assert result.totals["unfinished"] == 1 and "never ended" in result.notes[0]


def test_job_that_is_rejected_is_told_with_its_reason() -> None:
    wide = TraceJob(at=0.0, id="wide", user="u", team="t", role="r", priority=5, blocks=4, gpus=2)
    result = simulate(Trace(jobs=(wide,)), slots=1, forecasters={})
    assert result.totals["rejected"] == 1
    assert result.notes == ("1 job rejected; the first, wide: This video asks for 2 slots at once; the house has 1. "
                            "What would fit: 1.",)  # fmt: skip


def test_same_seed_gives_the_same_run_and_the_same_work_under_any_order() -> None:
    trace = synthetic_trace("peak", slots=2, jobs=25, seed=3)
    first, again, other = (simulate(trace, slots=2, seed=seed, check=check_invariants) for seed in (1, 1, 2))
    assert first.to_mapping() == again.to_mapping() != other.to_mapping()
    paces = [Paces(Costs(), 1), Paces(Costs(), 1)]
    paces[1].block_s(trace.jobs[5], 3, 50.0)
    assert paces[0].block_s(trace.jobs[0], 2, 10.0) == paces[1].block_s(trace.jobs[0], 2, 10.0)


@pytest.mark.parametrize(("order", "first_to_run"), [("fifo", "j2"), ("priority", "j4"), ("shortest", "j3")])
def test_other_orders_pick_other_jobs_and_stop_nobody(order: str, first_to_run: str) -> None:
    jobs = (_job(1), _job(2, at=1.0), _job(3, at=1.1, blocks=2), _job(4, at=1.2, priority=100))
    result = _run(*jobs, discipline=order)
    waits = {record.line.id: record.line.at + (record.wait_s or 0.0) for record in result.records[1:]}
    assert min(waits, key=lambda name: waits[name]) == first_to_run
    assert result.totals["preemptions"] == 0


def test_true_pace_of_a_line_reaches_the_worker_and_no_witness() -> None:
    seen: list[object] = []

    class Everything(Witness):
        def submitted(self, request: Request) -> None:
            seen.append(request)

        def block_done(self, at: float, job_id: str, seconds: float) -> None:
            seen.append(seconds)

        def predict(self, state: object, request: Request) -> None:
            seen.append(request)

    _run(_job(1, block_s=1.25), forecasters={"everything": Everything()})
    assert seen.count(1.25) == 10  # reported blocks only
    assert all("1.25" not in repr(thing) for thing in seen if isinstance(thing, Request))


def test_average_block_takes_what_the_policy_says() -> None:
    paces = Paces(Costs(drift_sigma=0.0), 7)
    times = [paces.block_s(_job(number), block, 0.0) for number in range(400) for block in range(20)]
    assert sum(times) / len(times) == pytest.approx(0.48, rel=0.03)


def test_trace_and_slots_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(SchedulerError, match="faults of slot 3, and the house has 2 slots"):
        _run(_job(1), slots=2, faults=(TraceFault(at=0.0, event="worker_lost", slot=3),))
    with pytest.raises(SchedulerError, match="0 slots"):
        _run(_job(1), slots=0)
    with pytest.raises(SchedulerError, match="'best' is not known"):
        _run(_job(1), discipline="best")
    with pytest.raises(SchedulerError, match="preset 'ultra'"):
        _run(_job(1, preset="ultra"))


def test_service_of_teams_is_compared_while_both_are_backlogged() -> None:
    jobs = [_job(number, team="ab"[number % 2], priority=10 + 20 * (number % 2), blocks=40) for number in range(20)]
    uneven, even = (_run(*jobs, policy=Policy(fair_share_points=points)) for points in (0.0, 180.0))
    assert uneven.totals["fairness"] > 5  # the team of lower priority waits, and neither ages past the other
    assert even.totals["fairness"] < 1.2
    assert all(record.state is JobState.SUCCEEDED for record in uneven.records)


def test_the_last_waiting_job_of_a_team_counts_as_service_and_a_team_that_wants_no_more_is_not_compared() -> None:
    def record(number: int, team: str, at: float, since: float, until: float) -> JobRecord:
        line = replace(_job(number, team=team), at=at)
        return JobRecord(line, JobState.SUCCEEDED, leased_at=since, ended_at=until, spells=[(since, until)])

    turns = [record(n, "ab"[n % 2], 100.0 * (n - 1) * (n % 2), 100.0 * n, 100.0 * (n + 1)) for n in range(20)]
    # a asked for all at once, b asks again when it has been served: while b's plays it has none waiting
    assert service_ratio(turns) == pytest.approx(1.0, abs=0.15)
    assert (service_ratio(turns, is_waiting_only=True) or 0.0) > 2.0
    three = [record(n, "a", 0.0, 0.0, 400.0) for n in (1, 2, 3)]
    content = [record(0, "b", 0.0, 0.0, 400.0), *three, record(9, "a", 0.0, 400.0, 500.0)]
    assert service_ratio(content) is None  # b holds one slot of four and wants no more


def test_jobs_on_several_slots_run_to_their_end_among_others_and_are_foretold() -> None:
    lines = [
        json.dumps({
            "at": 3.0 * number, "id": f"j{number}", "user": "u", "team": f"t{number % 2}", "role": "r", "priority": 10,
            "blocks": 10 + number % 7, "preset": "standard", **({"gpus": 2 + number % 2} if number % 5 == 0 else {}),
        })
        for number in range(80)
    ]  # fmt: skip
    lines += ['{"at": 40, "event": "worker_lost", "slot": 1}', '{"at": 45, "event": "worker_back", "slot": 1}']
    trace = read_lines(lines)
    assert trace.to_lines()[0] == json.dumps(json.loads(lines[0])) and trace.jobs[0].gpus == 2
    result = simulate(trace, slots=3, seed=1, check=check_invariants)
    assert result.totals["succeeded"] == 80
    gangs = [record for record in result.records if record.line.gpus > 1]
    assert len(gangs) == 16 and all(record.predictions["estimator"] is not None for record in gangs)
    assert result.totals["utilisation"] <= 1.0


@pytest.mark.parametrize(("half_life_s", "least", "most"), [(30.0, 0.3, 0.6), (1e9, 0.0, 0.1)])
def test_what_a_team_got_too_much_is_forgotten_by_half_lives(half_life_s: float, least: float, most: float) -> None:
    urgent = [_job(number, at=0.0, team="early", blocks=40, priority=100) for number in range(28)]
    kept_waiting = [_job(100, at=1.0, team="late", blocks=40)]
    crowds = [_job(200 + number, at=600.0, team=("early", "late")[number % 2], blocks=40) for number in range(80)]
    policy = Policy(fair_share_half_life_s=half_life_s, max_queued_per_user=1000)
    result = _run(*urgent, *kept_waiting, *crowds, slots=1, policy=policy)
    begun = [r.line.team for r in result.records if r.line.at == 600.0 and r.leased_at is not None and r.leased_at < 1000.0]
    assert len(begun) >= 15
    assert least <= begun.count("early") / len(begun) <= most  # remembered for ever, it stands behind for all of that time


@pytest.mark.parametrize("slow", [{"block_s": 100.0}, {"switch_s": 90.0}, {"close_s": 61.0}])
def test_worker_that_gets_on_keeps_its_job_however_long_a_block_takes(slow: dict[str, float]) -> None:
    costs = replace(EXACT, **slow)
    result = _run(_job(1, blocks=3), costs=costs)
    assert result.totals["succeeded"] == 1 and result.totals["workers_lost"] == 0
    assert result.records[0].finish_s == pytest.approx(3 * costs.block_s + costs.switch_s + costs.close_s)


def test_note_says_why_the_first_of_the_failed_jobs_failed() -> None:
    faults = [
        TraceFault(at=0.1 + number * 10 + wait, event=event, slot=0)
        for number in range(4) for event, wait in (("worker_lost", 0.0), ("worker_back", 9.9))
    ]  # fmt: skip
    result = _run(_job(1), faults=tuple(faults), policy=Policy(max_crashes=2))
    (note,) = result.notes
    assert note.startswith("1 job failed; the first, j1: ") and note.endswith(result.records[0].error) and result.records[0].error
