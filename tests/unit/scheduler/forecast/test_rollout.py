"""A future run from a snapshot is what the core would do: same jobs, same slots, same times."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from math import exp, log

import pytest

from scheduler.core import events, machine
from scheduler.core.invariants import check_invariants
from scheduler.core.job import JobState
from scheduler.core.policy import Policy
from scheduler.costs import Costs
from scheduler.forecast.estimator import _with_every_luck
from scheduler.forecast.learnt import Learnt
from scheduler.forecast.paces import Pace
from scheduler.forecast.ranges import quantile
from scheduler.forecast.rollout import Outcome, Rollout
from scheduler.forecast.snapshot import Snapshot
from scheduler.forecast.witness import Request
from scheduler.simulation.synthetic import synthetic_trace
from scheduler.simulation.trace import Trace, TraceJob, request_of
from scheduler.simulation.world import World

EXACT = Costs(
    job_sigma=0.0, block_sigma=0.0, drift_sigma=0.0, switch_s=0.0, cold_start_s=0.0, close_s=0.1, block_s=0.5
)


PLAIN = Policy(max_queued_per_user=1_000, fair_share_points=0.0, affinity_points=0.0)


def _world(trace: Trace, slots: int = 2, policy: Policy = PLAIN) -> tuple[World, Learnt]:
    learnt = Learnt(lambda _: 0.5)
    learnt.losses.rate = lambda _: 1e-12  # type: ignore[method-assign]
    for is_switch in (True, False):
        learnt.preparing._means[is_switch] = 0.0
    return World(trace, slots=slots, policy=policy, costs=EXACT, witnesses=(learnt,)), learnt


def _rollout(world: World, learnt: Learnt, coming: list[TraceJob]) -> Rollout:
    snapshot = Snapshot(world.state)
    arrivals = ((line.at - snapshot.now, request_of(line)) for line in coming)
    exact = Pace(log(0.5), 0.0, 0.0)
    return Rollout(snapshot, learnt, random.Random(1), lambda _request, _is_future: exact, arrivals=arrivals)


def _day(kind: str, jobs: int = 120) -> Trace:
    """A synthetic day in which every block takes as long as the next."""
    made = synthetic_trace(kind, slots=2, jobs=jobs, seed=4)
    return Trace(jobs=tuple(replace(job, preset="standard", block_s=None) for job in made.jobs))


@pytest.mark.parametrize("kind", ["bursts", "preemption", "peak"])
def test_whole_day_run_forward_from_an_empty_house_is_the_day_itself(kind: str) -> None:
    trace = _day(kind)
    world, learnt = _world(trace, policy=Policy(max_queued_per_user=1_000))  # fair share, warm roles and all
    future = _rollout(world, learnt, list(trace.jobs))
    future.run({"nobody"}, 1e6)
    world.run()
    starts = {future._coming[name].id: start for name, start in future._starts.items()}
    off = [abs(starts[name] - (record.started_at or 0.0)) for name, record in world.records.items()]
    assert len(off) == len(trace.jobs) and max(off) < 0.01, sorted(off)[-5:]


@pytest.mark.parametrize("kind", ["calm", "bursts", "preemption", "peak"])
@pytest.mark.parametrize("at_share", [0.3, 0.7])
def test_known_future_is_foretold_from_the_midst_of_a_day(kind: str, at_share: float) -> None:
    """A block under way may take a little longer than it should; under fair share such a trifle may turn two jobs round."""
    trace = _day(kind)
    world, learnt = _world(trace)
    moment = trace.jobs[int(len(trace.jobs) * at_share)].at
    world.run(until=moment)
    wanted = set(world.state.jobs)
    foretold = _rollout(world, learnt, [line for line in trace.jobs if line.at > world.now]).run(wanted, 1e6)
    now = world.state.now
    world.run()
    assert wanted and foretold.keys() == wanted
    off = [abs(foretold[name][1] - (world.records[name].ended_at or 0.0) + now) for name in wanted]
    shares = sorted(one / foretold[name][1] for one, name in zip(off, wanted, strict=True))
    assert shares[len(shares) // 2] <= 0.1, shares


def test_running_job_is_as_far_in_its_block_as_the_reports_say() -> None:
    job = TraceJob(at=0.0, id="only", user="u", team="t", role="r", priority=5, blocks=40)
    later = (replace(job, id=f"later{at}", at=at, blocks=1) for at in (3.05, 3.15, 3.3))
    world, learnt = _world(Trace(jobs=(job, *later)), slots=1)
    ends = 40 * 0.5 + 0.1
    for moment in (3.05, 3.15, 3.3):  # in the midst of a block something happens
        world.run(until=moment)
        assert world.state.now == moment
        told = _rollout(world, learnt, []).run({"only"}, 1e6)["only"].finish
        assert world.state.now + told == pytest.approx(ends, abs=0.01)
    told = _rollout(world, _overdue(learnt, 30.0), []).run({"only"}, 1e6)["only"].finish
    left = 40 - world.state.jobs["only"].blocks_done
    assert told == pytest.approx((left - 1 + 0.3) * 0.5 + 0.1), "of a block that should long be done a part is still to come"


def _overdue(learnt: Learnt, by_s: float) -> Learnt:
    learnt._since = {job_id: since - by_s for job_id, since in learnt._since.items()}
    return learnt


def test_copy_runs_forward_and_leaves_the_original_alone() -> None:
    world, learnt = _world(synthetic_trace("preemption", slots=2, jobs=80, seed=2))
    world.run(until=world._agenda[40][0])
    before = {job.id: (job.state, job.blocks_done, job.preemptions) for job in world.state.jobs.values()}
    places = [job.id for job in world.state.line.best_first()]
    snapshot = Snapshot(world.state)
    revived, used = snapshot.revive(), (world.state.shares.to_mapping(), world.state.spent.to_mapping())
    assert (revived.shares.to_mapping(), revived.spent.to_mapping()) == used
    assert [job.id for job in revived.line.best_first()] == places
    assert {job.id: job.slot for job in revived.jobs.values()} == {
        job.id: job.slot for job in world.state.jobs.values()
    }
    check_invariants(revived)
    _rollout(world, learnt, []).run(set(world.state.jobs), 1e6)
    assert {job.id: (job.state, job.blocks_done, job.preemptions) for job in world.state.jobs.values()} == before
    assert (world.state.shares.to_mapping(), world.state.spent.to_mapping()) == used
    check_invariants(world.state)


@pytest.mark.parametrize("quota", [None, 400.0])
def test_future_of_which_nobody_reads_the_reasons_comes_out_the_same(quota: float | None) -> None:
    policy = Policy(max_queued_per_user=1_000, gpu_s_per_day_per_user=quota)
    world, learnt = _world(trace := _day("peak"), policy=policy)
    world.run(until=trace.jobs[60].at)
    coming = [line for line in trace.jobs if line.at > world.now]
    unread, read = (_rollout(world, learnt, coming) for _ in range(2))
    assert unread._state.is_imagined
    assert unread._state.counts.has_promises is (quota is not None)
    read._state.is_imagined, read._state.counts.has_promises = False, True
    assert unread.run({"nobody"}, 1e6) == read.run({"nobody"}, 1e6) == {}
    assert len(unread._starts) > 20 and unread._starts == read._starts


def test_job_that_is_asked_to_stop_stops_in_the_future_too() -> None:
    jobs = (
        TraceJob(at=0.0, id="long", user="u", team="t", role="r", priority=10, blocks=100),
        TraceJob(at=10.2, id="urgent", user="u", team="t", role="r", priority=100, blocks=10),
    )
    world, learnt = _world(Trace(jobs=jobs), slots=1)
    world.run(until=10.2)
    assert world.state.jobs["long"].state is JobState.PREEMPTING
    foretold = _rollout(world, learnt, []).run({"long", "urgent"}, 1e6)
    assert foretold["urgent"][0] <= 0.5 and foretold["urgent"][1] == pytest.approx(5.4, abs=0.5)
    assert foretold["long"][1] == pytest.approx(39.8 + 5.2, abs=0.6)


@pytest.mark.parametrize(("day", "finish_s"), [("mon", 1830.0), ("tue", 50.1)])
def test_maintenance_window_ahead_is_foretold(day: str, finish_s: float) -> None:
    """It opens half a minute from now, on the day of the week that it is."""
    monday = datetime(2026, 11, 23, 9, 59, 30, tzinfo=UTC).timestamp()
    job = TraceJob(at=0.0, id="long", user="u", team="t", role="r", priority=10, blocks=100)
    policy = replace(PLAIN, maintenance_windows=(f"{day} 10:00-10:30",))
    world, learnt = _world(Trace(jobs=(job,), begins_at=monday), slots=1, policy=policy)
    world.run(until=0.0)
    assert world.state.now == monday
    foretold = _rollout(world, learnt, []).run({"long"}, 1e6)["long"].finish
    world.run()
    ended_at = world.records["long"].ended_at
    assert foretold == pytest.approx(finish_s, abs=40.0)
    assert ended_at is not None and foretold == pytest.approx(ended_at, abs=40.0), "a future looks at the clock every 20 s"


def test_request_of_a_future_is_not_taken_for_the_past_one_it_repeats() -> None:
    learnt = Learnt(lambda _: 0.5)
    request = Request(at=0.0, id="a", role="r", team="t", user="u", priority=1, blocks=10, preset="standard")
    learnt.submitted(request)
    for _ in range(10):
        learnt.block_done(1.0, "a", 5.0)
    assert learnt.paces.prior(request).seconds == pytest.approx(0.5)
    assert learnt.paces.of(request).seconds > 2.0


def test_job_that_goes_on_after_a_break_has_the_pace_that_it_had() -> None:
    jobs = (
        TraceJob(at=0.0, id="long", user="u", team="t", role="r", priority=5, blocks=100),
        TraceJob(at=0.0, id="urgent", user="u", team="t", role="r", priority=100, blocks=10),
    )
    world, learnt = _world(Trace(jobs=jobs[:1]), slots=1)
    world.run(until=1.0)
    snapshot = Snapshot(world.state)
    pace = Pace(log(0.5), 0.3, 0.0)
    coming = iter([(5.0, request_of(jobs[1]))])
    future = Rollout(
        snapshot, learnt, random.Random(1), lambda _request, _is_future: pace, arrivals=coming, luck_of=lambda _job: 1.0
    ).run({"long"}, 1e6)["long"]
    left = 100 - world.state.jobs["long"].blocks_done
    assert future.luck == 1.0 and future.work_s == pytest.approx(left * 0.5 * exp(0.3))
    assert future.finish > future.work_s + 3.0  # the urgent one came between


@pytest.mark.parametrize("closed", ["drained", "paused"])
def test_future_in_which_nothing_starts_ends_with_what_runs(closed: str) -> None:
    jobs = [TraceJob(at=0.0, id=name, user="u", team="t", role="r", priority=5, blocks=10) for name in ("a", "b", "c")]
    world, learnt = _world(Trace(jobs=tuple(jobs)))
    world.run(until=1.0)
    if closed == "paused":
        world.state.is_queue_paused = True
    for slot in world.state.slots:
        slot.drained_for |= {"person", "maintenance"} if closed == "drained" else set()
    future = _rollout(world, learnt, [])
    assert set(future.run({"a", "b", "c"}, 14 * 86_400.0)) == {"a", "b"}
    assert future._now - future._zero < 10.0, "nobody waits two weeks for a person"


def test_time_reserved_days_ahead_is_met_to_the_second_without_a_tick_for_all_the_time_before() -> None:
    jobs = [TraceJob(at=0.0, id=name, user="u", team="t", role="r", priority=5, blocks=10) for name in ("a", "b", "c")]
    windows = Policy(maintenance_windows=("sat 03:00-04:30", "mon 03:00-03:10 slots 1"), affinity_points=0.0)
    world, learnt = _world(Trace(jobs=tuple(jobs)), policy=windows)
    start_at = world.state.now + 10 * 86_400.0 + 13.0
    reserved = events.JobSubmitted(
        at=world.state.now, job_id="far", ordinal=99, user="u", team="t", role="r", priority=5, total_blocks=10,
        context_bytes=0, start_at=start_at,
    )  # fmt: skip
    machine.step(world.state, reserved)
    learnt.requests["far"] = replace(request_of(jobs[0]), id="far")
    future = _rollout(world, learnt, [TraceJob(at=5_000.0, id="later", user="u", team="t", role="r", priority=5, blocks=90)])
    outcome = future.run({"far"}, 14 * 86_400.0)["far"]
    assert outcome.start == pytest.approx(10 * 86_400.0 + 13.0, abs=1.0)
    assert future._order < 100, "ten days of ticks are 43,200"


def test_few_futures_tell_as_much_of_the_middle_as_every_luck_of_the_job_would() -> None:
    lucky = [Outcome(start=0.0, finish=10.0 * exp(0.2 * luck), work_s=10.0 * exp(0.2 * luck), luck=luck) for luck in (1.0, 0.8)]
    found = sorted(_with_every_luck(lucky, 0.2))
    assert quantile(found, 0.5) == pytest.approx(10.0)
    late = [outcome._replace(finish=outcome.finish + 100.0) for outcome in lucky]
    assert sorted(_with_every_luck(late, 0.2))[0] > 106.0
