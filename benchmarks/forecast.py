"""How true and how fast forecasts are: `python -m benchmarks.forecast [--json] [--jobs N] [--slots N] [--seeds A,B]`.

Traces of kinds with bursts, preemption, faults, drift and a peak, drawn from seeds that were never looked at while numbers
were chosen (those were 1, 11, 12, 21, 22, 31, 2001 to 2006 and 3001 to 3008; 101 to 1010 are spent, 1111 to 2222 were measured).
Each trace is judged by each part of one sentence: the 80 % range covers 75 to 85 % of all jobs, and at least 65 % of every 250
consecutive ones; the median error of the middle is at most 15 %, or 1.25 times the oracle's where that is more; it is below
that of the work ahead, and below that of history by priority, in the same run. The oracle of that sentence knows every law and
no outcome (`chances` in `benchmarks.forecast_told`; docs/decisions/0009 says why); beside it stands what the sentence says with
the oracle that knows outcomes, too. Then the time of one forecast of 1,000 queued jobs. Exits with 1 when a part is missed.
Beside that sentence stand what is wished for and does not count: a quantile loss 30 % below that of the work ahead and its fixed
band, and ranges of videos in the making (asked for at every fifth submission) that cover as many, 10 % of the time left off.
With `--told own_pace,paces,arrivals` also what the forecaster would reach if it were told this truth (each takes about as long
as it). With `--kept FILE` every trace is written down when it is done, and a later run of the same code goes on from there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import replace
from math import log
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from benchmarks.forecast_running import RunningJobs
from benchmarks.forecast_told import CHANCES, TOLD, told_forecasters
from scheduler.core.policy import Policy
from scheduler.forecast.estimator import Estimator
from scheduler.forecast.ranges import quantile
from scheduler.forecast.score import score_of
from scheduler.simulation.costs import Costs
from scheduler.simulation.records import JobRecord
from scheduler.simulation.run import ESTIMATOR, simulate, usual_forecasters
from scheduler.simulation.synthetic import synthetic_trace
from scheduler.simulation.trace import Trace
from scheduler.simulation.world import World

KINDS = ("bursts", "preemption", "faults", "drift", "peak")
SEEDS = (1111, 1212)
LOWEST, HIGHEST, WORST_WINDOW = 0.75, 0.85, 0.65
ERROR, OF_ORACLE = 0.15, 1.25
QUEUED, GOAL_S = 1_000, 1.0
SIMPLE = ("work_ahead", "history")
PINBALL_SHARE, RUNNING_ERROR = 0.7, 0.10  # wished for beside the sentence: of the work ahead's loss; of videos in the making
LAWS, OUTCOMES = f"told_{CHANCES}", "oracle"  # who knows every law, and who knows what will come of them


def measure_accuracy(kind: str, seed: int, jobs: int, slots: int, *, told: Sequence[str] = ()) -> dict[str, Any]:
    """One unseen trace: what was reached, and which goals were missed."""
    started = perf_counter()
    trace, costs = synthetic_trace(kind, slots=slots, jobs=jobs, seed=seed), Costs()
    truths = dict.fromkeys((CHANCES, *told))
    forecasters = usual_forecasters(trace, costs, seed) | told_forecasters(truths, trace, costs, seed, kind, slots)
    estimator = forecasters[ESTIMATOR]
    assert isinstance(estimator, Estimator)
    running = RunningJobs(estimator)
    result = simulate(trace, slots=slots, costs=costs, seed=seed, forecasters={**forecasters, "running": running})
    del result.baselines["running"]  # it foretells nothing at submission
    reached = {name: result.totals[name] for name in ("coverage_80", "worst_window_coverage", "median_error", "pinball_s")}
    most, strictly = (max(ERROR, OF_ORACLE * result.baselines[name]["median_error"]) for name in (LAWS, OUTCOMES))
    parts = {
        "coverage_80": LOWEST <= reached["coverage_80"] <= HIGHEST,
        "worst_window_coverage": reached["worst_window_coverage"] >= WORST_WINDOW,
        "median_error": reached["median_error"] <= most,
        **{f"better_than_{name}": reached["median_error"] < result.baselines[name]["median_error"] for name in SIMPLE},
    }
    playing = score_of(running.outcomes).to_mapping()
    wished = {
        "pinball": reached["pinball_s"] <= PINBALL_SHARE * result.baselines["work_ahead"]["pinball_s"],
        "running_error": playing["median_error"] <= RUNNING_ERROR,
        "running_coverage": LOWEST <= playing["coverage_80"] <= HIGHEST,
    }
    return {
        "name": f"{kind} {seed}", "jobs": jobs, "slots": slots, "reached": reached,
        "goal": {"coverage_80": [LOWEST, HIGHEST], "worst_window_coverage": WORST_WINDOW, "median_error": round(most, 4)},
        "baselines": result.baselines, "utilisation": result.totals["utilisation"],
        "mean_wait_s": result.totals["mean_wait_s"], "preemptions": result.totals["preemptions"],
        "bias": _bias(result.records), "running": playing, "wished": wished, "parts": parts, "is_reached": all(parts.values()),
        "strictly": {"goal": round(strictly, 4), "is_reached": reached["median_error"] <= strictly},
        "seconds": round(perf_counter() - started, 1),
    }  # fmt: skip


def _kept(file: Path | None, kind: str, seed: int, jobs: int, slots: int, told: Sequence[str]) -> dict[str, Any] | None:
    """What an earlier run of the same code found, if it is written down."""
    for line in file.read_text().splitlines() if file is not None and file.exists() else ():
        result: dict[str, Any] = json.loads(line)
        same = result["name"] == f"{kind} {seed}" and (result["jobs"], result["slots"]) == (jobs, slots)
        if same and result["code"] == _code() and all(f"told_{name}" in result["baselines"] for name in told):
            return result
    return None


def _keep(file: Path | None, result: dict[str, Any]) -> None:
    if file is not None and "code" not in result:
        with file.open("a") as lines:
            lines.write(json.dumps({**result, "code": _code()}) + "\n")


def _code() -> str:
    """A fingerprint of all that a trace's figures depend on."""
    root = Path(__file__).parent.parent
    parts = [root / "scheduler" / name for name in ("core", "forecast", "simulation")]
    files = [*(file for part in parts for file in part.glob("*.py")), *(root / "benchmarks").glob("forecast*.py")]
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(files))).hexdigest()


def _bias(records: Sequence[JobRecord]) -> dict[str, float]:
    """Is the middle in the middle? Share of jobs that ended before it, and the median of its signed error, as a logarithm."""
    pairs = [
        (told.finish.p50, record.finish_s)
        for record in records
        if (told := record.predictions[ESTIMATOR]) is not None and record.finish_s
    ]
    off = sorted(log(p50 / actual) for p50, actual in pairs)
    sooner = sum(value > 0 for value in off) / len(off)
    return {"sooner_than_p50": round(sooner, 4), "median_log_error": round(quantile(off, 0.5), 4)}


def measure_speed(queued: int) -> dict[str, Any]:
    """Seconds of computing (what others do on the machine apart) of a forecast of a long queue, best of three."""
    costs = Costs()
    estimator = Estimator(lambda request: costs.block_s * costs.presets[request.preset])
    warm = synthetic_trace("calm", slots=4, jobs=200, seed=1)
    crowd = [
        replace(job, at=warm.jobs[-1].at + 1.0 + number * 1e-3, id=f"crowd{number}")
        for number, job in enumerate(synthetic_trace("peak", slots=4, jobs=queued, seed=2).jobs)
    ]
    policy = Policy(max_queued=10 * queued, max_queued_per_user=10 * queued)
    world = World(
        Trace(jobs=(*warm.jobs, *crowd)), slots=4, policy=policy, costs=costs, seed=1, witnesses=(estimator,),
        on_submitted=_learn_from_some(estimator, crowd[0].at),
    )  # fmt: skip
    world.run(until=crowd[-1].at)
    times = []
    for _ in range(3):
        started = process_time()
        found = estimator.estimates(world.state)
        times.append(process_time() - started)
    return {
        "name": "estimate_s", "queued": world.state.queued, "estimated": len(found), "goal": GOAL_S,
        "reached": round(min(times), 3), "is_reached": min(times) <= GOAL_S and len(found) >= queued,
    }  # fmt: skip


def _learn_from_some(estimator: Estimator, until: float) -> Any:
    def ask(world: World, record: JobRecord) -> None:
        if record.line.at < until:
            estimator.estimates(world.state, {record.line.id}, scored={record.line.id})

    return ask


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and say by the exit status whether the goals are reached."""
    parser = argparse.ArgumentParser(prog="benchmarks.forecast", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--jobs", type=int, default=1000, help="submissions per trace")
    parser.add_argument("--slots", type=int, default=2, help="slots of each trace")
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)), help="seeds of the traces")
    parser.add_argument("--told", default="", help=f"also what it would reach if told truths: {','.join(TOLD)}")
    parser.add_argument("--kinds", default=",".join(KINDS), help="kinds of traces")
    parser.add_argument("--kept", type=Path, help="file of finished traces: written to, and not measured again")
    chosen = parser.parse_args(arguments)
    told = [name for name in chosen.told.split(",") if name]
    if unknown := set(told) - set(TOLD):
        parser.error(f"--told does not know {', '.join(sorted(unknown))}; it knows {', '.join(TOLD)}")
    results = [measure_speed(QUEUED)]
    for kind in chosen.kinds.split(","):
        for seed in chosen.seeds.split(","):
            asked = (kind, int(seed), chosen.jobs, chosen.slots)
            results.append(_kept(chosen.kept, *asked, told) or measure_accuracy(*asked, told=told))
            _keep(chosen.kept, results[-1])
            if not chosen.json:
                _show(results[-1])
    is_reached = all(result["is_reached"] for result in results)
    if chosen.json:
        machine = {"python": platform.python_version(), "machine": platform.machine()}
        print(json.dumps({"benchmark": "forecast", "is_reached": is_reached, "results": results, **machine}, indent=2))
    else:
        print(f"{results[0]['name']}: {results[0]['reached']} s for {results[0]['estimated']} jobs (goal {GOAL_S} s)")
    return 0 if is_reached else 1


def _show(result: dict[str, Any]) -> None:
    """One line of figures, then pass or FAIL for each part of the sentence."""
    reached, simple, bias, parts = result["reached"], result["baselines"], result["bias"], result["parts"]
    playing, wished = result["running"], ", ".join(f"{name} {'yes' if so else 'no'}" for name, so in result["wished"].items())
    errors = ", ".join(f"{name} {simple[name]['median_error']:.1%}" for name in simple)
    middle = f"{bias['sooner_than_p50']:.1%} ended sooner, the middle lies {bias['median_log_error']:+.1%} off"
    strictly = result["strictly"]
    print(f"{result['name']}: coverage {reached['coverage_80']:.1%}, worst {reached['worst_window_coverage']:.1%}, "
          f"error {reached['median_error']:.1%} of {result['goal']['median_error']:.1%} ({errors}), {middle}")  # fmt: skip
    print(f"  oracle of laws {simple[LAWS]['median_error']:.1%}; oracle of outcomes {simple[OUTCOMES]['median_error']:.1%}, "
          f"and by that one {strictly['goal']:.1%} would be allowed: {'pass' if strictly['is_reached'] else 'FAIL'}")  # fmt: skip
    ahead_s = simple["work_ahead"]["pinball_s"]
    print(f"  quantile loss {reached['pinball_s']:.2f} s (work ahead {ahead_s:.2f} s); of the time left to those that play "
          f"{playing['coverage_80']:.1%} in range, {playing['median_error']:.1%} off; wished for: {wished}")  # fmt: skip
    print("  " + ", ".join(f"{name} {'pass' if is_reached else 'FAIL'}" for name, is_reached in parts.items()), flush=True)


if __name__ == "__main__":
    sys.exit(main())
