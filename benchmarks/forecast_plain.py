"""How true forecasts are, without oracles: `python -m benchmarks.forecast_plain [--json] [--jobs N] [--slots N] [--limit-s S]`.

The traces, seeds and sentence of `benchmarks.forecast`, in a third of its time: the forecaster and the two simple ways alone,
so the median error is held against 15 % and nothing else. `--at-once N` runs so many traces side by side. After `--limit-s`
seconds a trace is judged by the jobs that had ended until then, up to the first that had not; `jobs` says how many they were,
and fewer than all count as missed. Exits with 1 when a part is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product, takewhile
from time import perf_counter
from typing import Any

from benchmarks.forecast import ERROR, HIGHEST, KINDS, LOWEST, SEEDS, SIMPLE, WORST_WINDOW
from scheduler.core.policy import Policy
from scheduler.simulation.costs import Costs
from scheduler.simulation.run import ESTIMATOR, asking, usual_forecasters
from scheduler.simulation.synthetic import synthetic_trace
from scheduler.simulation.totals import accuracy
from scheduler.simulation.world import World

STEP_S = 10.0  # of the trace's time, between two looks at the clock


def measure(trace_of: tuple[str, int], jobs: int, slots: int, limit_s: float) -> dict[str, Any]:
    """One trace, a kind and a seed: what was reached, part by part."""
    started, (kind, seed) = perf_counter(), trace_of
    trace, costs = synthetic_trace(kind, slots=slots, jobs=jobs, seed=seed), Costs()
    known = usual_forecasters(trace, costs, seed)
    forecasters = {name: known[name] for name in (ESTIMATOR, *SIMPLE)}

    world = World(
        trace, slots=slots, policy=Policy(), costs=costs, seed=seed, witnesses=tuple(forecasters.values()),
        on_submitted=asking(forecasters, trace.begins_at),
    )  # fmt: skip
    until, before = 0.0, -1
    while perf_counter() - started < limit_s and not (len(world.records) == jobs and world.events == before):
        until, before = until + STEP_S, world.events
        world.run(until=until)
    records = list(takewhile(lambda record: record.ended_at is not None, world.records.values()))
    reached, *simple = (accuracy(records, name) for name in forecasters)
    parts = {
        "jobs": len(records) == jobs,
        "coverage_80": _is_within(reached["coverage_80"], LOWEST, HIGHEST),
        "worst_window_coverage": _is_within(reached["worst_window_coverage"], WORST_WINDOW, 1.0),
        "median_error": _is_within(reached["median_error"], 0.0, ERROR),
    }
    for name, other in zip(SIMPLE, simple, strict=True):
        parts[f"better_than_{name}"] = _is_within(reached["median_error"], 0.0, other["median_error"])
    return {
        "name": f"{kind} {seed}", "jobs": len(records), "slots": slots, "reached": reached,
        "baselines": dict(zip(SIMPLE, simple, strict=True)), "parts": parts, "is_reached": all(parts.values()),
        "seconds": round(perf_counter() - started, 1),
    }  # fmt: skip


def _is_within(value: float | None, least: float, most: float | None) -> bool:
    """A figure that is not there reaches nothing."""
    return value is not None and most is not None and least <= value <= most


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit status whether every part is reached."""
    parser = argparse.ArgumentParser(prog="benchmarks.forecast_plain", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--jobs", type=int, default=1000, help="submissions per trace")
    parser.add_argument("--slots", type=int, default=2, help="slots of each trace")
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)), help="seeds of the traces")
    parser.add_argument("--kinds", default=",".join(KINDS), help="kinds of traces")
    parser.add_argument("--limit-s", type=float, default=3600.0, help="seconds after which a trace ends as far as it has come")
    parser.add_argument("--at-once", type=int, default=1, help="traces side by side, a process each")
    chosen = parser.parse_args(arguments)
    traces = list(product(chosen.kinds.split(","), (int(seed) for seed in chosen.seeds.split(","))))
    results = []
    with ProcessPoolExecutor(max_workers=chosen.at_once) as pool:
        of_one = partial(measure, jobs=chosen.jobs, slots=chosen.slots, limit_s=chosen.limit_s)
        for result in pool.map(of_one, traces):
            results.append(result)
            if not chosen.json:
                _show(result)
    is_reached = all(result["is_reached"] for result in results)
    if chosen.json:
        print(json.dumps({"benchmark": "forecast_plain", "is_reached": is_reached, "results": results}, indent=2))
    return 0 if is_reached else 1


def _show(result: dict[str, Any]) -> None:
    """One line of figures, then pass or FAIL for each part."""
    figures = ", ".join(f"{name} {value}" for name, value in result["reached"].items())
    simple = ", ".join(f"{name} {found['median_error']}" for name, found in result["baselines"].items())
    print(f"{result['name']}, {result['jobs']} jobs: {figures}; median errors of {simple}")
    print("  " + ", ".join(f"{name} {'pass' if so else 'FAIL'}" for name, so in result["parts"].items()), flush=True)


if __name__ == "__main__":
    sys.exit(main())
