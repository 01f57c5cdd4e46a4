"""`python -m benchmarks.training --stage transformer`: what a step of a training stage costs on a GPU, and where it goes.

In one run, in turn: steps as they are written, and recorded as CUDA graphs. Then some recorded steps under the profiler:
how long the device computed, in how many operations, which took longest. `--trained DIR` is a folder of finished stages;
without it the stages before are trained for one step, which changes no time. Prints one JSON object. Exit codes: 0
measured and recorded steps are at least 1.5 times as fast, 1 they are not, 64 no GPU here.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from engine.training.loop import Card, Run, Stage, train
from engine.training.pocket import SHARES, build_stage, prepare_device
from engine.training.recording import own_stream

GOAL_RATIO = 1.5  # steps as written over recorded ones
_TOP = 12


def measure(stage: Stage, steps: int, turns: int) -> dict[str, Any]:
    """Seconds per step both ways, by turns, and a profile of recorded steps."""
    device = torch.device("cuda")
    runs = {
        name: Run(
            stage, stage.parameters(), Card(stage.name, 1, "cuda"), device, 1e9, None, lambda _: None, name == "recorded"
        )
        for name in ("written", "recorded")
    }  # fmt: skip
    times: dict[str, list[float]] = {name: [] for name in runs}
    with own_stream(device):
        warmed = {name: _timed(run, 4 * steps) * 4 * steps for name, run in runs.items()}
        for _ in range(turns):
            for name, run in runs.items():
                times[name].append(_timed(run, steps))
        busy = _profile(runs["recorded"], steps)
    written, recorded = (min(times[name]) for name in ("written", "recorded"))
    return {
        "stage": stage.name, "goal_ratio": GOAL_RATIO, "ratio": round(written / recorded, 2),
        "ms_per_step": {name: [round(1e3 * x, 1) for x in values] for name, values in times.items()},
        "warm_up_s": {name: round(seconds, 1) for name, seconds in warmed.items()},
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 1), **busy,
    }  # fmt: skip


def _timed(run: Run, steps: int) -> float:
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(steps):
        run.step()
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / steps


def _profile(run: Run, steps: int) -> dict[str, Any]:
    """Of recorded steps and the drawing beside them: milliseconds that the device computed, and with what."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as seen:
        seconds = _timed(run, steps)
    events = sorted(seen.key_averages(), key=lambda event: -event.self_device_time_total)
    return {
        "profiled_ms_per_step": round(1e3 * seconds, 1),
        "device_ms_per_step": round(sum(e.self_device_time_total for e in events) / 1e3 / steps, 1),
        "operations_per_step": round(sum(e.count for e in events) / steps),
        "longest": [
            {"name": e.key[:100], "count": e.count, "ms_per_step": round(e.self_device_time_total / 1e3 / steps, 2)}
            for e in events[:_TOP]
        ],
    }  # fmt: skip


def main(arguments: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--stage", choices=[name for name in SHARES if not name.startswith("role-")], required=True)
    parser.add_argument("--trained", type=Path, help="folder of finished stages")
    parser.add_argument("--steps", type=int, default=10, help="per turn")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print("there is no CUDA device here, and nothing else is recorded", file=sys.stderr)
        return 64
    prepare_device("cuda")
    with tempfile.TemporaryDirectory() as folder:
        out = options.trained or Path(folder)
        for name in SHARES if options.trained is None else ():
            if name == options.stage:
                break
            train(
                build_stage(name, out, 1, "cuda"), out, seconds=60, seed=1, device=torch.device("cuda"), resume=False,
                max_steps=1,
            )  # fmt: skip
        answer = measure(build_stage(options.stage, out, 1, "cuda"), options.steps, options.turns)
    about = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "date": time.strftime("%Y-%m-%d")}
    print(json.dumps({**answer, "is_reached": answer["ratio"] >= GOAL_RATIO, **about}, indent=1))
    return 0 if answer["ratio"] >= GOAL_RATIO else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
