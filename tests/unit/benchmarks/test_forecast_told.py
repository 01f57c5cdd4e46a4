"""Forecasters that are told truths know what they are told, and nothing else."""

from __future__ import annotations

from itertools import takewhile
from math import log

import pytest

from benchmarks.forecast_told import TOLD, ToldArrivals, ToldChances, ToldOwnPace, told_forecasters
from scheduler.simulation.costs import Costs
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


def test_told_chances_know_the_rest_of_a_crowd_and_nothing_that_is_drawn_later() -> None:
    trace = _trace("bursts", jobs=400)
    told = ToldChances(trace, Costs(), SEED, "bursts", SLOTS)
    began = told.underway[0][0]
    now = began + 3.0
    rest = {job.id for start, job in told.underway if start <= now < job.at}
    assert rest, "the crowd has not come at once"
    for future in told._coming(now, 4, 2):
        seen = [(after, request.id) for after, request in takewhile(lambda one: one[0] < 1_200.0, future)]
        assert {job_id for _, job_id in seen} & told.lines.keys() == rest
        assert [after for after, _ in seen] == sorted(after for after, _ in seen)
        assert len(seen) > len(rest)


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
