"""How far shown ends move from look to look without a reason: `python -m benchmarks.forecast_steady [--json] [--jobs N]`.

A simulated day is looked at every two seconds. Of the same looks two rows of figures are
kept: what each look says itself (the alternative), and what is shown of them (`scheduler.forecast.steady`). A move counts where
the middle of the end goes by more than a fifth of the time that was left, and more than five seconds, though nothing has
happened that could move the job: it was not stopped, started or changed, no slot came or went, nobody came ahead of it or left.
Both rows are held against what happened, too (median error of the time left), so that calm is not bought with truth.
"""

from __future__ import annotations

import argparse
import json
import sys
from statistics import median
from typing import Any

from scheduler.core.job import Job
from scheduler.core.policy import Policy
from scheduler.costs import Costs
from scheduler.forecast.estimator import Estimator
from scheduler.forecast.steady import FAR, FAR_S, Steady
from scheduler.simulation.run import ESTIMATOR, usual_forecasters
from scheduler.simulation.synthetic import synthetic_trace
from scheduler.simulation.world import World

EVERY_S = 2.0
KINDS = ("preemption", "drift", "peak")
SAMPLES = 16


class _Watched(Steady):
    """Says for which jobs a look had a reason."""

    def __init__(self) -> None:
        super().__init__()
        self.reasons: dict[str, Any] = {}

    def _why(self, job: Job, slots: int, newcomers: int, leavers: int) -> tuple[str, int] | None:
        self.reasons[job.id] = why = super()._why(job, slots, newcomers, leavers)
        return why


def measure(kind: str, jobs: int, seed: int) -> dict[str, Any]:
    """One day, both rows."""
    trace, costs = synthetic_trace(kind, slots=2, jobs=jobs, seed=seed), Costs()
    estimator = usual_forecasters(trace, costs, seed)[ESTIMATOR]
    assert isinstance(estimator, Estimator)
    world = World(trace, slots=2, policy=Policy(), costs=costs, seed=seed, witnesses=(estimator,))
    steady = _Watched()
    before: dict[str, dict[str, float]] = {}
    updates = told = 0
    seen: list[tuple[str, float, dict[str, float]]] = []
    far = {"looks": 0, "shown": 0}
    at = 0.0
    while at < trace.jobs[-1].at:
        at += EVERY_S
        world.run(until=at)
        found = estimator.estimates(world.state, most_samples=SAMPLES, is_watching=True)
        settled, now = steady.settle(world.state, found), world.state.now
        ends = {}
        for job_id, one in settled.items():
            assert one.estimate is not None
            ends[job_id] = {"looks": now + found[job_id].finish.p50, "shown": now + one.estimate.finish.p50}
            seen.append((job_id, now, ends[job_id]))
            if job_id not in before or steady.reasons[job_id] is not None:
                continue
            updates += 1
            for name, end in ends[job_id].items():
                was = before[job_id][name]
                far[name] += abs(end - was) > max(FAR_S, FAR * (was - now))
            told += one.moved is not None and one.moved.at == now
        before = ends
    world.run()
    errors = {name: _median_error(world, seen, name) for name in far}
    shares = {name: round(count / max(1, updates), 4) for name, count in far.items()}
    return {
        "name": f"{kind} {seed}", "jobs": jobs, "updates_without_reason": updates, "moved_far": shares, "told_as_pace": told,
        "median_error": errors,
    }  # fmt: skip


def _median_error(world: World, seen: list[tuple[str, float, dict[str, float]]], name: str) -> float:
    off = []
    for job_id, now, ends in seen:
        ended_at = world.records[job_id].ended_at
        if ended_at is not None and ended_at > now:
            off.append(abs(ends[name] - ended_at) / (ended_at - now))
    return round(median(off), 4)


def main() -> int:
    """Measure and print; exits with 1 where what is shown moves no less than the looks."""
    parser = argparse.ArgumentParser(prog="benchmarks.forecast_steady", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="for symmetry: the output is always JSON")
    parser.add_argument("--jobs", type=int, default=150)
    parser.add_argument("--seed", type=int, default=42)
    chosen = parser.parse_args()
    results = [measure(kind, chosen.jobs, chosen.seed) for kind in KINDS]
    is_reached = all(one["moved_far"]["shown"] < one["moved_far"]["looks"] for one in results)
    print(json.dumps({"benchmark": "forecast_steady", "is_reached": is_reached, "results": results}, indent=2))
    return 0 if is_reached else 1


if __name__ == "__main__":
    sys.exit(main())
