"""Forecasters that are told truths know what they are told, and nothing else."""

from __future__ import annotations

from itertools import takewhile
from math import log

import pytest

from benchmarks.forecast_told import TOLD, ToldArrivals, ToldChances, ToldOwnPace, told_forecasters
from scheduler.costs import Costs
from scheduler.simulation.synthetic import KINDS, synthetic_trace
from scheduler.simulation.trace import Trace, request_of

SEED, SLOTS = 3, 2


def _trace(kind: str, jobs: int = 120) -> Trace:
    return synthetic_trace(kind, slots=SLOTS, jobs=jobs, seed=SEED)


def test_told_arrivals_are_those_of_the_trace_in_every_future() -> None:
    trace = _trace("preemption")
    now = trace.jobs[40].at
    futures = ToldArrivals(trace, Costs(), SEED)._coming(now, 3, 2)
    later = [line for line in trace.jobs if line.at > now]
    for future in futures:
        assert [(now + after, request.id) for after, request in future] == [
            (pytest.approx(line.at), line.id) for line in later
        ]


def test_told_chances_expect_the_rest_of_a_crowd_and_know_nobody_who_is_to_come() -> None:
    trace = _trace("bursts", jobs=400)
    told = ToldChances(trace, Costs(), SEED, "bursts", SLOTS)
    at = [line.at for line in trace.jobs]
    crowd = next(place for place in range(8, len(at)) if at[place] - at[place - 8] < 3.0)
    soon: list[float] = []
    for now in (at[crowd - 8] - 1.0, at[crowd]):
        futures = told._coming(now, 32, SLOTS)
        seen = [[(after, one.id) for after, one in takewhile(lambda one: one[0] < 20.0, future)] for future in futures]
        assert not {job_id for future in seen for _, job_id in future} & told.lines.keys()
        assert all(after > 0.0 for future in seen for after, _ in future)
        assert all(future == sorted(future, key=lambda one: one[0]) for future in seen)
        soon.append(sum(map(len, seen)) / len(seen))
    before, begun = soon
    assert before < 5.0 < 10.0 < begun


def test_told_law_of_paces_is_the_one_that_paces_are_drawn_from() -> None:
    trace = _trace("drift", jobs=400)
    told = ToldChances(trace, Costs(), SEED, "drift", SLOTS)
    off = [log(told.truth.mean_s(line)) - told.law_of(request_of(line)).log_s for line in trace.jobs]
    drift = log(told.truth.known_s(trace.jobs[0], 0.0) / told.truth.mean_s(trace.jobs[0]))
    assert sum(off) / len(off) == pytest.approx(-drift, abs=0.03)
    assert told.law_of(request_of(trace.jobs[0])).sigma == KINDS["drift"].job_sigma


def test_own_pace_is_told_of_the_job_asked_about_and_of_no_other() -> None:
    trace = _trace("drift")
    told = ToldOwnPace(trace, Costs(), SEED)
    told.asked = trace.jobs[5].id
    mine, other = (told._expected(request_of(line), False) for line in trace.jobs[5:7])
    assert mine.sigma == 0.0 and mine.seconds == pytest.approx(told.truth.known_s(trace.jobs[5], 0.0))
    assert other.sigma > 0.0
    found = told_forecasters(TOLD, trace, Costs(), SEED, "drift", SLOTS)
    assert list(found) == ["told_own_pace", "told_paces", "told_arrivals", "told_chances"]
