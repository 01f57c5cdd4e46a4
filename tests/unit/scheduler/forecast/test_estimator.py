"""Ranges of a short simulated day: better than simple ways, honest about their width, silent where nobody can know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import exp

import pytest

from scheduler.core import events, machine
from scheduler.core.job import HoldReason
from scheduler.core.policy import Policy
from scheduler.costs import Costs
from scheduler.forecast.conformal import Raw
from scheduler.forecast.estimator import Estimator
from scheduler.forecast.witness import Request
from scheduler.simulation.records import JobRecord
from scheduler.simulation.run import simulate
from scheduler.simulation.synthetic import synthetic_trace
from scheduler.simulation.trace import Trace
from scheduler.simulation.world import World


def test_forecasts_of_an_unseen_day_hold_and_beat_simple_ways() -> None:
    result = simulate(synthetic_trace("faults", slots=2, jobs=90, seed=77), slots=2, seed=77)
    told, simple = result.totals, result.baselines
    assert told["forecasts"] > 80
    assert 0.65 <= told["coverage_80"] <= 0.95
    assert told["median_error"] < simple["work_ahead"]["median_error"] < simple["history"]["median_error"]
    assert simple["oracle"]["median_error"] < told["median_error"] < 0.2


def _crowd(count: int, slots: int) -> tuple[World, Estimator]:
    """So many jobs, submitted within seconds, a few blocks ago."""
    costs = Costs()
    estimator = Estimator(lambda _: costs.block_s)
    made = synthetic_trace("calm", slots=slots, jobs=count, seed=9)
    trace = Trace(jobs=tuple(replace(job, at=number * 0.1) for number, job in enumerate(made.jobs)))
    world = World(trace, slots=slots, policy=Policy(max_queued_per_user=1_000), costs=costs, witnesses=(estimator,))
    world.run(until=count * 0.1 + 3.0)
    return world, estimator


def test_every_open_job_gets_a_range_and_those_ahead_end_sooner() -> None:
    world, estimator = _crowd(20, slots=2)
    found = estimator.estimates(world.state)
    assert found.keys() == world.state.jobs.keys()
    for estimate in found.values():
        assert estimate.start.p10 <= estimate.start.p50 <= estimate.start.p90
        assert 0 < estimate.finish.p10 <= estimate.finish.p50 <= estimate.finish.p90
        assert estimate.start.p50 <= estimate.finish.p50
    line = [job.id for job in world.state.line.best_first()]
    assert len(line) > 10 and found[line[0]].start.p50 < found[line[-1]].start.p10


def test_nothing_is_foretold_of_jobs_that_wait_for_a_person() -> None:
    world, estimator = _crowd(8, slots=1)
    waiting = [job.id for job in world.state.line.best_first()]
    machine.step(world.state, events.PauseRequested(at=world.now, job_id=waiting[0]))
    found = estimator.estimates(world.state)
    assert waiting[0] not in found and waiting[1] in found
    machine.step(world.state, events.QueuePaused(at=world.now))
    assert not set(waiting) & estimator.estimates(world.state).keys()


def test_video_that_gave_way_is_told_when_it_goes_on_after_the_one_it_gave_way_to() -> None:
    made = synthetic_trace("calm", slots=1, jobs=2, seed=9).jobs
    low, urgent = (replace(job, id=name, at=at, priority=rank, blocks=blocks) for job, name, at, rank, blocks in (
        (made[0], "low", 0.0, 5, 400), (made[1], "urgent", 90.0, 100, 120)))  # fmt: skip
    estimator = Estimator(lambda _: Costs().block_s)
    world = World(Trace(jobs=(low, urgent)), slots=1, policy=Policy(), costs=Costs(), witnesses=(estimator,))
    world.run(until=60.0)
    assert estimator.estimates(world.state)["low"].goes_on is None, "it plays"
    world.run(until=100.0)
    found = estimator.estimates(world.state)
    told, other = found["low"], found["urgent"]
    assert told.goes_on is not None and other.goes_on is None and told.start.p50 < 0.0 < told.goes_on.p10
    assert told.goes_on.p10 <= told.goes_on.p50 <= told.goes_on.p90 < told.finish.p50
    assert told.goes_on.p50 == pytest.approx(other.finish.p50, rel=0.2)
    assert estimator.basis_of("low") is None, "foretold, and not scored"


def _reserve(world: World, estimator: Estimator, in_s: float) -> str:
    name = f"reserved{in_s:.0f}"
    asked = events.JobSubmitted(
        at=world.now, job_id=name, ordinal=world.state.last_ordinal + 1, user="u", team="t", role="r", priority=10,
        total_blocks=40, context_bytes=0, start_at=world.now + in_s,
    )  # fmt: skip
    machine.step(world.state, asked)
    estimator.submitted(
        Request(at=world.now, id=name, role="r", team="t", user="u", priority=10, blocks=40, preset="standard")
    )
    return name


def _learnt_house(policy: Policy) -> tuple[World, Estimator]:
    """An idle house that has seen two hundred videos."""
    costs = Costs()
    estimator = Estimator(lambda _: costs.block_s)
    trace = synthetic_trace("calm", slots=2, jobs=200, seed=9)
    world = World(trace, slots=2, policy=policy, costs=costs, witnesses=(estimator,), on_submitted=_ask_of(estimator))
    world.run()
    return world, estimator


def _ask_of(estimator: Estimator) -> Callable[[World, JobRecord], None]:
    def ask(world: World, record: JobRecord) -> None:
        estimator.estimates(world.state, {record.line.id}, scored={record.line.id}, most_samples=4)

    return ask


@pytest.mark.parametrize("in_s", [600.0, 14_400.0])
def test_known_part_of_a_wait_is_not_stretched_by_what_is_not_known(in_s: float) -> None:
    world, estimator = _learnt_house(Policy())
    name = _reserve(world, estimator, in_s)
    told = estimator.estimates(world.state)[name]
    assert in_s <= told.start.p10 <= told.start.p90 < in_s + 60.0, "the house is idle"
    assert in_s + 10.0 < told.finish.p10 < told.finish.p50 < told.finish.p90 < in_s + 90.0, "forty blocks are some 20 s"


def test_reserved_time_is_held_against_what_came_after_it_alone() -> None:
    world, estimator = _learnt_house(Policy())
    name = _reserve(world, estimator, 7_200.0)
    estimator.estimates(world.state, {name}, scored={name})
    basis = estimator.basis_of(name)
    assert basis is not None and basis["known_s"] == pytest.approx(7_200.0)
    told = dict(basis)
    for each in (estimator, Estimator(lambda _: 0.5)):
        each.recall("again", world.now, told, (world.now + 7_200.02, world.now + 7_221.0))
        learnt = [each._starts._residuals[-1], each._finishes._residuals[-1]]
        assert all(abs(residual) < 5.0 for residual in learnt), learnt


def test_end_of_maintenance_is_known() -> None:
    world, estimator = _crowd(4, slots=1)
    state = world.state
    state.policy = replace(state.policy, maintenance_windows=("thu 00:00-02:00",))  # seconds of the simulator begin there
    machine.step(state, events.TimePassed(at=world.now))
    waiting = next(state.line.best_first())
    assert state.slots[0].drained_for == {"maintenance"}
    told = estimator.estimates(state)[waiting.id]
    left = 7_200.0 - state.now
    assert left <= told.start.p10 and told.start.p90 < left + 400.0 and told.finish.p90 < left + 500.0


def test_parts_of_a_session_are_foretold_one_after_the_other() -> None:
    world, estimator = _crowd(3, slots=1)
    before = next(job.id for job in world.state.jobs.values() if job.started_at is not None)
    for name in ("second", "third"):
        wanted = Request(at=world.now, id=name, role="r", team="t", user="u", priority=10, blocks=10, preset="standard")
        asked = events.JobSubmitted(
            at=world.now, job_id=name, ordinal=world.state.last_ordinal + 1, user="u", team="t", role="r", priority=10,
            total_blocks=10, context_bytes=0, follows=before,
        )  # fmt: skip
        machine.step(world.state, asked)
        estimator.submitted(wanted)
        before = name
    found = estimator.estimates(world.state)
    assert world.state.jobs["third"].hold is HoldReason.AWAITING_TURN
    assert found["second"].start.p50 < found["third"].start.p50 < found["third"].finish.p50
    later = [found[job.id] for job in world.state.line.best_first()]
    assert later and all(found["third"].start.p50 < one.start.p50 for one in later), "a session keeps its slot"


def test_young_house_is_told_wider_ranges_than_one_of_many_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    world, estimator = _crowd(6, slots=1)
    running = next(job.id for job in world.state.jobs.values() if job.started_at is not None)
    widths = []
    for runs in (5, 500):
        monkeypatch.setattr(Estimator, "runs", property(lambda _, runs=runs: runs))
        finish = estimator.estimates(world.state, {running})[running].finish
        widths.append(finish.p90 / finish.p10)
    assert widths[0] > 1.5 * widths[1], widths


def test_start_that_is_written_before_its_forecast_is_learnt_as_one_at_once() -> None:
    world, estimator = _crowd(8, slots=1)
    waiting = next(world.state.line.best_first()).id
    estimator.estimates(world.state, {waiting}, scored={waiting})
    basis = estimator.basis_of(waiting)
    assert basis is not None and basis["start"] is not None
    estimator.started(world.now - 3600.0, waiting)
    assert (rest := estimator.basis_of(waiting)) is not None and rest["start"] is None


def test_ranges_of_running_jobs_learn_from_looks_at_running_jobs_alone() -> None:
    world, estimator = _crowd(8, slots=1)
    running = next(job.id for job in world.state.jobs.values() if job.started_at is not None)
    waiting = next(world.state.line.best_first()).id
    before = estimator.estimates(world.state)
    for number in range(60):  # each took three times as long as was foretold while it ran
        estimator._watched.clear()
        estimator.estimates(world.state, {running}, is_watching=True)
        seen = estimator._watched.pop(running)
        estimator._watched[f"past{number}"] = seen
        estimator.requests[f"past{number}"] = estimator.requests[running]
        estimator.ended(seen.at + 3.0 * exp(seen.finish.middle), f"past{number}", True)
    after = estimator.estimates(world.state)
    assert after[running].finish.p50 > 2.0 * before[running].finish.p50
    assert after[waiting].finish.p50 < 1.5 * before[waiting].finish.p50, "of those that wait nothing was learnt"


def test_each_look_at_a_running_job_is_as_likely_to_be_the_one_it_is_judged_by() -> None:
    world, estimator = _crowd(3, slots=1)
    running = next(job.id for job in world.state.jobs.values() if job.started_at is not None)
    chosen = [0, 0, 0, 0]
    finish = Raw(1.0, 0.1, (0.0, 0.0))
    for _ in range(400):
        for look in range(4):
            estimator._watch(running, float(look), finish)
        chosen[int(estimator._watched.pop(running).at)] += 1
    assert min(chosen) > 70, chosen
    estimator.estimates(world.state)
    assert not estimator._watched, "who only asks teaches nothing"
    estimator.estimates(world.state, is_watching=True)
    assert list(estimator._watched) == [running]
    estimator.ended(world.now + 5.0, running, False)
    assert not estimator._watched, "what failed proves nothing"
