"""What the order costs and brings, against FIFO, plain priority and shortest job first: `python -m benchmarks.fairness`.

Options: `[--json] [--jobs N] [--seeds N] [--first-seed N] [--slots N ...] [--orderings NAME ...]`. The same traces run through
the same core with each ordering; the worst trace decides. Goals:

- urgent jobs that find a lower one running wait no longer than the block (or preparation) that their victim was at when they
  came; where two wait for two victims, than that of the slot which they get. And over all traces with so many slots the 99th
  percentile of these waits is no longer than that of blocks;
- the mean wait of the others is at most 1.1 times FIFO's;
- equal teams are served 1.2 to 1 at most while both are backlogged (`scheduler/simulation/fairness.py` says what that is);
- nobody is passed by a job that came later than the bound allows.

Printed besides, without a goal: the 99th percentile per trace, which of a few dozen waits is the longest or nearly so; the
waits in mean blocks; and service over the time in which both have a job *waiting*, which leaves out every last one that was
served. Exits with 1 when a goal is missed, or nothing was there to measure it by.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any

from scheduler.core.actions import SendRun
from scheduler.core.job import OWNED_STATES
from scheduler.core.policy import FIFO, ORDERINGS, STANDARD, Policy
from scheduler.costs import Costs
from scheduler.simulation.fairness import service_ratio
from scheduler.simulation.records import JobRecord
from scheduler.simulation.synthetic import synthetic_trace
from scheduler.simulation.trace import Trace, TraceFault, TraceJob
from scheduler.simulation.world import World

KINDS = ("bursts", "preemption", "peak")
SLOTS = (1, 2, 3, 4)
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
        self._found: dict[str, dict[int, float]] = {}  # urgent job in line → the same of the slots that were about to be free
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
            found = self._stopping()
            if found and self.records[line.id].leased_at is None:
                self.outcome.victims_s[line.id] = max(self._doing[slot] for slot in (found - before) or before)
                self._found[line.id] = {slot: self._doing[slot] for slot in found}

    def _stopping(self) -> set[int]:
        return {slot.number for slot in self.state.slots if slot.is_vacating}

    def _take_up(self, action: SendRun) -> None:
        found = self._found.pop(action.job_id, {}).get(action.slot)
        if found is not None:  # of two urgent jobs the first gets the first slot, whoever was stopped for whom
            self.outcome.victims_s[action.job_id] = max(found, self.outcome.victims_s[action.job_id])
        super()._take_up(action)

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


def measure(
    kinds: Sequence[str], *, jobs: int, seeds: Sequence[int], slots: Sequence[int], orderings: Sequence[str] = ORDERINGS
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """(all goals over all traces, figures without a goal, the traces); the worst trace decides."""
    rows: list[dict[str, Any]] = []
    waits: dict[int, list[float]] = {number: [] for number in slots}
    blocks: dict[int, list[float]] = {number: [] for number in slots}
    for kind in kinds:
        for number in slots:
            for seed in seeds:
                row, waited, blocked = _compare(kind, jobs, seed, number, orderings)
                rows.append(row)
                waits[number] += waited
                blocks[number] += blocked if waited else []
    pooled = {number: (_p99(waits[number]), _p99(blocks[number]), fmean(blocks[number])) for number in slots if waits[number]}
    urgent = [row for row in rows if row["urgent"]]
    goals = [
        _goal("urgent_wait_in_its_victims_block", 1.0, urgent, lambda row: row["urgent_longest_of_victims"]),
        _goal("urgent_p99_wait_in_p99_blocks", 1.0, list(pooled.values()), lambda found: found[0] / found[1]),
        _goal("mean_wait_of_others_to_fifo", GOAL_MEAN, rows, lambda row: row["mean_to_fifo"]),
        _goal("service_of_equal_teams", GOAL_SERVICE, _known(rows, "service_ratio"), lambda row: row["service_ratio"]),
        _goal("passed_beyond_the_bound_s", 0.0, rows, lambda row: row["passed_s"]),
    ]
    others = [
        _figure("urgent_p99_wait_of_a_trace_in_p99_blocks", urgent, lambda row: row["urgent_p99_s"] / row["block_p99_s"]),
        _figure("urgent_p99_wait_in_mean_blocks", list(pooled.values()), lambda found: found[0] / found[2]),
        _figure(
            "service_while_both_have_jobs_waiting", _known(rows, "service_ratio_waiting"),
            lambda row: row["service_ratio_waiting"],
        ),
    ]
    return goals, others, rows


def _compare(
    kind: str, jobs: int, seed: int, slots: int, orderings: Sequence[str]
) -> tuple[dict[str, Any], list[float], list[float]]:
    """(the trace's figures, its urgent waits, its blocks; both in seconds)."""
    trace = synthetic_trace(kind, slots=slots, jobs=jobs, seed=seed)
    runs = {ordering: run(trace, ordering, slots, seed) for ordering in {STANDARD: 0, FIFO: 0} | dict.fromkeys(orderings, 0)}
    ours = runs[STANDARD]
    undisturbed = [record for record in ours.stoppable if record.wait_s is not None and not _is_disturbed(record, trace)]
    waits = [record.wait_s or 0.0 for record in undisturbed]
    of_victims = [(r.wait_s or 0.0) / ours.victims_s.get(r.line.id, 1e-9) for r in undisturbed]
    means = {ordering: _mean_of_others(outcome.records) for ordering, outcome in runs.items()}
    return {
        "trace": kind, "seed": seed, "slots": slots, "jobs": jobs, "urgent": len(waits),
        "urgent_longest_of_victims": round(max(of_victims), 4) if waits else None,
        "urgent_p99_s": round(_p99(waits), 3) if waits else None,
        "urgent_mean_s": round(fmean(waits), 3) if waits else None, "block_p99_s": round(_p99(ours.block_s), 3),
        "mean_wait_s": {ordering: round(mean, 2) for ordering, mean in means.items()},
        "urgent_p99_by_ordering_s": {
            ordering: round(_p99([r.wait_s or 0.0 for r in outcome.records if r.line.priority >= URGENT] or [0.0]), 2)
            for ordering, outcome in runs.items()
        },
        "mean_to_fifo": round(means[STANDARD] / max(means[FIFO], 1e-9), 4),
        "service_ratio": _rounded(service_ratio(ours.records)),
        "service_ratio_waiting": _rounded(service_ratio(ours.records, is_waiting_only=True)),
        "service_ratio_fifo": _rounded(service_ratio(runs[FIFO].records)),
        "passed_s": round(passed_beyond_the_bound(ours.records, Policy()), 3),
        "longest_wait_s": round(max(record.wait_s or 0.0 for record in ours.records), 1),
    }, waits, ours.block_s  # fmt: skip


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


def _rounded(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 4)


def _known(rows: Sequence[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Traces in which there was something to compare."""
    return [row for row in rows if row[name] is not None]


def _goal(name: str, goal: float, found: Sequence[Any], of: Callable[[Any], float]) -> dict[str, Any]:
    figure = _figure(name, found, of)
    reached = figure["worst"]
    missed = sum(of(one) > goal + EDGE_S for one in found)
    return {**figure, "goal": goal, "reached": reached, "missed": missed, "is_reached": bool(found) and not missed}


def _figure(name: str, found: Sequence[Any], of: Callable[[Any], float]) -> dict[str, Any]:
    """Worst and median of what was found; `of` is how many there are: traces, or numbers of slots."""
    values = [of(one) for one in found] or [0.0]
    return {"name": name, "worst": round(max(values), 4), "median": round(median(values), 4), "of": len(found)}


def _told(figure: dict[str, Any]) -> str:
    return f"{figure['name']}: worst of {figure['of']} {figure['worst']}, median {figure['median']}"


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and say by the exit status whether the goals are reached."""
    parser = argparse.ArgumentParser(prog="benchmarks.fairness", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--jobs", type=int, default=1500, help="jobs per trace")
    parser.add_argument("--seeds", type=int, default=2, help="traces of each kind and number of slots")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--slots", type=int, nargs="+", default=list(SLOTS))
    parser.add_argument("--orderings", choices=ORDERINGS, nargs="+", default=list(ORDERINGS), help="besides fifo")
    chosen = parser.parse_args(arguments)
    seeds = range(chosen.first_seed, chosen.first_seed + chosen.seeds)
    results, others, rows = measure(KINDS, jobs=chosen.jobs, seeds=seeds, slots=chosen.slots, orderings=chosen.orderings)
    is_reached = all(result["is_reached"] for result in results)
    if chosen.json:
        found = {"benchmark": "fairness", "is_reached": is_reached, "results": results, "others": others, "traces": rows}
        print(json.dumps(found, indent=2))
        return 0 if is_reached else 1
    for result in results:
        missed = f"MISSED in {result['missed']}" if result["of"] else "MISSED: nothing to measure"
        verdict = "reached" if result["is_reached"] else missed
        print(f"{_told(result)} (goal {result['goal']}) {verdict}")
    for other in others:
        print(f"{_told(other)} (no goal)")
    return 0 if is_reached else 1


if __name__ == "__main__":
    sys.exit(main())
