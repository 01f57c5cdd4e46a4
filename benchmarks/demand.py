"""How well submissions to come are foreseen: `python -m benchmarks.demand [--json] [--kinds A,B] [--seeds A,B] [--jobs N]`.

Traces of synthetic days are read from their beginning; every few submissions the blocks that will be asked for in the next
minutes are foretold by 48 futures and held against what came, by the continuous ranked probability score (Gneiting & Raftery
2007, section 4.2; in its fair form for few futures, Ferro 2014, section 2): mean distance to the truth, less half of that among
themselves, in blocks. Beside the house's own way (`scheduler.forecast.demand`) stand, in the same run:

`steady`: requests of the past, drawn one by one at their mean rate, as whoever knows neither crowds nor hours would.
`law`: futures drawn from the law that the trace was drawn from. It knows the hour's rate and who is still to come of a crowd
that has begun; what comes next it does not know. Nobody can do better in the mean.

Ratios to `law`, one for each stretch of time: 1 is as good as can be. Exits with 1 where the house's way is worse than `steady`
in the mean over all.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, takewhile
from statistics import mean
from typing import Any

from benchmarks.forecast_told import ToldChances
from scheduler.costs import Costs
from scheduler.forecast.demand import Coming, Demand
from scheduler.forecast.demand_level import USUAL_LOAD
from scheduler.forecast.witness import Request
from scheduler.simulation.synthetic import KINDS, synthetic_trace
from scheduler.simulation.trace import Trace, request_of

WITHIN_S = (20.0, 60.0, 180.0, 600.0, 1800.0)
FUTURES, EVERY, FIRST, SLOTS = 48, 7, 20, 2
WAYS = ("house", "steady")
LAW = "law"


class Steady:
    """Requests of the past at their mean rate."""

    def __init__(self) -> None:
        self._requests: list[Request] = []

    def submitted(self, request: Request) -> None:
        """One more."""
        self._requests.append(request)

    def future(self, now: float, source: random.Random) -> Coming:
        """Endless submissions (seconds after now, what)."""
        rate, after = len(self._requests) / max(1.0, now - self._requests[0].at), 0.0
        while True:
            after += source.expovariate(rate)
            yield after, source.choice(self._requests)


def score(told: Sequence[float], truth: float) -> float:
    """The fair continuous ranked probability score of at least two futures; in the unit of what is told."""
    ordered, count = sorted(told), len(told)
    among = 2.0 * sum((2 * place - count + 1) * value for place, value in enumerate(ordered))
    return mean(abs(value - truth) for value in told) - among / (2.0 * count * (count - 1))


def within(future: Coming) -> list[float]:
    """Blocks that a future asks for within each of WITHIN_S."""
    coming = [(after, request.blocks) for after, request in takewhile(lambda one: one[0] <= WITHIN_S[-1], future)]
    return [float(sum(blocks for after, blocks in coming if after <= until)) for until in WITHIN_S]


def looks(trace: Trace) -> Iterator[tuple[int, list[float]]]:
    """Places of the submissions at which is asked, and the truth for each of WITHIN_S; none so late that it is not known."""
    at, blocks = [job.at for job in trace.jobs], [0, *accumulate(job.blocks for job in trace.jobs)]
    for place, moment in enumerate(at):
        if place >= FIRST and place % EVERY == 0 and moment + WITHIN_S[-1] <= at[-1]:
            yield place, [float(blocks[bisect_right(at, moment + until)] - blocks[place + 1]) for until in WITHIN_S]


def measure(kind: str, seeds: Sequence[int], jobs: int) -> dict[str, Any]:
    """Scores of each way in a kind of day, as multiples of those of the law."""
    scores: dict[str, list[list[float]]] = {name: [] for name in (*WAYS, LAW)}
    for seed in seeds:
        trace, costs = synthetic_trace(kind, slots=SLOTS, jobs=jobs, seed=seed), Costs()
        law, house, steady = ToldChances(trace, costs, seed, kind, SLOTS), Demand(), Steady()
        source, usual = random.Random(f"demand:{seed}"), USUAL_LOAD * SLOTS / costs.block_s
        seen = 0
        for place, truth in looks(trace):
            for line in trace.jobs[seen : place + 1]:
                house.submitted(request_of(line))
                steady.submitted(request_of(line))
            seen, now = place + 1, trace.jobs[place].at
            futures = {
                "house": house.spread(now, source, FUTURES, usual), LAW: law._coming(now, FUTURES, SLOTS),
                "steady": [steady.future(now, source) for _ in range(FUTURES)],
            }  # fmt: skip
            for name, told in futures.items():
                by_stretch = zip(*(within(future) for future in told), strict=True)
                scores[name].append([score(blocks, true) for blocks, true in zip(by_stretch, truth, strict=True)])
    law_s = [mean(of_stretch) for of_stretch in zip(*scores[LAW], strict=True)]
    ratios = {
        name: [round(mean(of_stretch) / best, 3) for of_stretch, best in zip(zip(*scores[name], strict=True), law_s, strict=True)]
        for name in WAYS
    }
    return {"name": kind, "looks": len(scores[LAW]), "law_blocks": [round(value, 1) for value in law_s], "times_law": ratios}


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and say by the exit status whether it is better than a steady rate."""
    parser = argparse.ArgumentParser(prog="benchmarks.demand", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--kinds", default="bursts,preemption,faults,peak", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--seeds", default="3001,3002,3003,3004", help="seeds of the traces")
    parser.add_argument("--jobs", type=int, default=1000, help="submissions per trace")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.kinds.split(",")) - set(KINDS):
        parser.error(f"--kinds does not know {', '.join(sorted(unknown))}; it knows {', '.join(KINDS)}")
    seeds = [int(seed) for seed in chosen.seeds.split(",")]
    results = [measure(kind, seeds, chosen.jobs) for kind in chosen.kinds.split(",")]
    means = {name: round(mean(value for result in results for value in result["times_law"][name]), 3) for name in WAYS}
    is_reached = means["house"] < means["steady"]
    if chosen.json:
        found = {"benchmark": "demand", "within_s": WITHIN_S, "results": results, "mean": means, "is_reached": is_reached}
        print(json.dumps(found, indent=2))
        return 0 if is_reached else 1
    for result in results:
        for name in WAYS:
            print(f"{result['name']:11} {name:7}" + "".join(f"{value:9.3f}" for value in result["times_law"][name]))
    print(f"times the law's error within {WITHIN_S} s; mean of all: {means}")
    return 0 if is_reached else 1


if __name__ == "__main__":
    sys.exit(main())
