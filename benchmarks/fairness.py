"""What the order costs and brings, against FIFO, plain priority and shortest job first: `python -m benchmarks.fairness`.

Options: `[--json] [--jobs N] [--seeds N] [--slots N]`. The same traces run through the same core with each ordering. Goals:
urgent jobs that find a lower one running wait no longer than a block (the 99th percentile of both; and each against the very
block, or preparation, that its victim was at when it came); the mean wait of the others
is at most 1.1 times FIFO's; equal teams are served 1.2 to 1 at most while both wait; nobody is passed by a job that came later
than the bound allows. Exits with 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from scheduler.core.job import OWNED_STATES
from scheduler.core.policy import ORDERINGS, STANDARD, Policy
from scheduler.simulation.costs import Costs
from scheduler.simulation.fairness import service_ratio
from scheduler.simulation.records import JobRecord
from scheduler.simulation.synthetic import synthetic_trace
from scheduler.simulation.trace import Trace, TraceFault, TraceJob
from scheduler.simulation.world import World

KINDS = ("bursts", "preemption", "peak")
URGENT = 100
GOAL_MEAN, GOAL_SERVICE = 1.1, 1.2
EDGE_S = 1e-6


@dataclass
class Outcome:
    """One run: its jobs, the urgent ones that found somebody to stop, and the seconds of all blocks."""

    records: list[JobRecord]
    stoppable: list[JobRecord] = field(default_factory=list)
    block_s: list[float] = field(default_factory=list)
    victims_s: dict[str, float] = field(default_factory=dict)  # urgent job → seconds of what its victim was at when it came


class _Watched(World):
    """A world that notes which urgent jobs found a lower one running, and how long blocks take."""

    def watch(self) -> Outcome:
        """Run to the end."""
        self.outcome = Outcome([])
        self._doing: dict[int, float] = {}  # seconds of the block or preparation that a slot is at
        self.run()
        self.outcome.records = list(self.records.values())
        return self.outcome

    def _on_arrival(self, line: TraceJob) -> None:
        lower = sum(
            job.priority < URGENT
            for job in self.state.jobs.values()
            if job.state in OWNED_STATES and self.state.slots[job.slot or 0].stop_cause is None
        )
        before = self._stopping()
        super()._on_arrival(line)
        if line.priority >= URGENT and lower:
            self.outcome.stoppable.append(self.records[line.id])
            found = (self._stopping() - before) or before
            if found and self.records[line.id].leased_at is None:
                self.outcome.victims_s[line.id] = max(self._doing[slot] for slot in found)

    def _stopping(self) -> set[int]:
        return {slot.number for slot in self.state.slots if slot.is_vacating}

    def _plan(self, in_s: float, kind: str, data: Any) -> None:
        if kind in ("start", "block", "close"):
            self._doing[data[0]] = in_s
        super()._plan(in_s, kind, data)

    def _on_block(self, data: Any) -> None:
        self.outcome.block_s.append(data[3])
        super()._on_block(data)


def run(trace: Trace, ordering: str, slots: int, seed: int) -> Outcome:
    """One trace under one ordering. Nothing is refused for want of room."""
    policy = Policy(ordering=ordering, max_queued=10**6, max_queued_per_user=10**6)
    return _Watched(trace, slots=slots, policy=policy, costs=Costs(), seed=seed).watch()


def passed_beyond_the_bound(records: Sequence[JobRecord], policy: Policy) -> float:
    """Seconds by which a job was passed by one that came later than the bound allows; at most 0 where it is kept.

    The bound: (priorities apart + what fair share, and a preference for a warm role or a gap, are worth) / ageing.
    """
    started = sorted((record for record in records if record.leased_at is not None), key=lambda record: record.leased_at or 0.0)
    points = policy.fair_share_points + max(policy.affinity_points, policy.backfill_points)
    worst = float("-inf")
    latest: dict[int, float] = {}  # priority → latest submission among those that have started
    for record in started:
        line = record.line
        if line.priority <= policy.ageing_ceiling:
            for priority, at in latest.items():
                allowed_s = (max(0, priority - line.priority) + points) / policy.ageing_per_s
                worst = max(worst, at - line.at - allowed_s)
            latest[line.priority] = max(line.at, latest.get(line.priority, 0.0))
    return worst


def measure(kinds: Sequence[str], *, jobs: int, seeds: int, slots: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(all goals over all traces, the traces); the worst trace decides."""
    rows = [_compare(kind, jobs, seed, slots) for kind in kinds for seed in range(1, seeds + 1)]
    urgent = [row for row in rows if row["urgent_p99_s"] is not None]
    goals = [
        _goal("urgent_p99_wait_in_blocks", 1.0, max((row["urgent_p99_s"] / row["block_p99_s"] for row in urgent), default=0.0)),
        _goal("urgent_p99_wait_in_its_victims_block", 1.0, max((row["urgent_p99_of_victims"] for row in urgent), default=0.0)),
        _goal("mean_wait_of_others_to_fifo", GOAL_MEAN, max(row["mean_to_fifo"] for row in rows)),
        _goal("service_of_equal_teams", GOAL_SERVICE, max(row["service_ratio"] for row in rows)),
        _goal("passed_beyond_the_bound_s", 0.0, max(row["passed_s"] for row in rows)),
    ]
    return goals, rows


def _compare(kind: str, jobs: int, seed: int, slots: int) -> dict[str, Any]:
    trace = synthetic_trace(kind, slots=slots, jobs=jobs, seed=seed)
    runs = {ordering: run(trace, ordering, slots, seed) for ordering in ORDERINGS}
    ours = runs[STANDARD]
    undisturbed = [record for record in ours.stoppable if record.wait_s is not None and not _is_disturbed(record, trace)]
    waits = [record.wait_s or 0.0 for record in undisturbed]
    of_victims = [(r.wait_s or 0.0) / ours.victims_s[r.line.id] if r.line.id in ours.victims_s else 0.0 for r in undisturbed]
    means = {ordering: _mean_of_others(outcome.records) for ordering, outcome in runs.items()}
    return {
        "trace": kind, "seed": seed, "jobs": jobs, "urgent": len(waits),
        "urgent_p99_of_victims": round(_p99(of_victims), 4) if waits else None,
        "urgent_p99_s": round(_p99(waits), 3) if waits else None, "block_p99_s": round(_p99(ours.block_s), 3),
        "mean_wait_s": {ordering: round(mean, 2) for ordering, mean in means.items()},
        "urgent_p99_by_ordering_s": {
            ordering: round(_p99([r.wait_s or 0.0 for r in outcome.records if r.line.priority >= URGENT] or [0.0]), 2)
            for ordering, outcome in runs.items()
        },
        "mean_to_fifo": round(means[STANDARD] / max(means["fifo"], 1e-9), 4),
        "service_ratio": round(service_ratio(ours.records) or 1.0, 4),
        "service_ratio_fifo": round(service_ratio(runs["fifo"].records) or 1.0, 4),
        "passed_s": round(passed_beyond_the_bound(ours.records, Policy()), 3),
        "longest_wait_s": round(max(record.wait_s or 0.0 for record in ours.records), 1),
    }  # fmt: skip


def _is_disturbed(record: JobRecord, trace: Trace) -> bool:
    """Was a slot lost while it waited, or shortly before?"""
    start = record.leased_at or record.line.at
    lost: list[TraceFault] = [fault for fault in trace.faults if fault.event == "worker_lost"]
    return any(record.line.at - 5.0 <= fault.at <= start for fault in lost)


def _mean_of_others(records: Sequence[JobRecord]) -> float:
    waits = [record.wait_s for record in records if record.line.priority < URGENT and record.wait_s is not None]
    return sum(waits) / len(waits)


def _p99(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


def _goal(name: str, goal: float, reached: float) -> dict[str, Any]:
    return {"name": name, "goal": goal, "reached": round(reached, 4), "is_reached": reached <= goal + EDGE_S}


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and say by the exit status whether the goals are reached."""
    parser = argparse.ArgumentParser(prog="benchmarks.fairness", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--jobs", type=int, default=1500, help="jobs per trace")
    parser.add_argument("--seeds", type=int, default=2, help="traces of each kind")
    parser.add_argument("--slots", type=int, default=4)
    chosen = parser.parse_args(arguments)
    results, rows = measure(KINDS, jobs=chosen.jobs, seeds=chosen.seeds, slots=chosen.slots)
    is_reached = all(result["is_reached"] for result in results)
    if chosen.json:
        print(json.dumps({"benchmark": "fairness", "is_reached": is_reached, "results": results, "traces": rows}, indent=2))
    else:
        for result in results:
            verdict = "reached" if result["is_reached"] else "MISSED"
            print(f"{result['name']}: {result['reached']} (goal {result['goal']}) {verdict}")
    return 0 if is_reached else 1


if __name__ == "__main__":
    sys.exit(main())
