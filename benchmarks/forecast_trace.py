"""One trace under one group of forecasters, and what they told held against what came.

The same trace runs the same way whoever is asked about it, so the house's forecaster and each oracle are measured in processes
of their own (`benchmarks.forecast`). What is found is plain data, so it can be written down and judged later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from time import monotonic
from typing import Any

from benchmarks.forecast_running import RunningJobs
from benchmarks.forecast_told import told_forecasters
from scheduler.core.policy import Policy
from scheduler.costs import Costs
from scheduler.forecast.estimator import Estimator
from scheduler.forecast.ranges import Range
from scheduler.forecast.score import score_of
from scheduler.forecast.witness import Forecaster
from scheduler.simulation.records import JobRecord
from scheduler.simulation.run import ESTIMATOR, asking, usual_forecasters
from scheduler.simulation.synthetic import synthetic_trace
from scheduler.simulation.totals import waits
from scheduler.simulation.trace import Trace
from scheduler.simulation.world import World

HOUSE, PLAYING, OUTCOMES = "house", "playing", "oracle"
SIMPLE = ("work_ahead", "history")
STEP_S = 10.0  # of the trace's time, between two looks at the clock

Row = tuple[float, float, float, float]  # p10, p50, p90 and the truth, in seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Who is asked about which trace. `asked`: "house" (with the simple ways), "oracle", or "told_" and what it is told.

    `is_playing`: the house is asked about the videos that play, too. `until`: on the monotonic clock; then the trace ends as far
    as it has come.
    """

    kind: str
    seed: int
    jobs: int
    slots: int
    asked: str
    is_playing: bool = False
    until: float = float("inf")

    @property
    def trace(self) -> str:
        """Its name."""
        return f"{self.kind} {self.seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was told, by forecaster, of each job in order of submission up to the first that had not ended.

    None for a job that was not forecast or did not succeed. `playing`: of the time left to videos in the making.
    """

    trace: str
    asked: str
    jobs: int
    of: int
    slots: int
    told: dict[str, list[Row | None]]
    playing: list[Row]
    mean_wait_s: float | None
    preemptions: int
    seconds: float

    @property
    def is_whole(self) -> bool:
        """Did every job end?"""
        return self.jobs == self.of

    def to_mapping(self) -> dict[str, Any]:
        """Plain data; `Found(**data)` is it again."""
        return asdict(self)


def measure(task: Task) -> Found:
    """Run the trace. Raises KeyError for who is not known."""
    started = monotonic()
    trace, costs = synthetic_trace(task.kind, slots=task.slots, jobs=task.jobs, seed=task.seed), Costs()
    forecasters, running = _forecasters(task, trace, costs)
    world = World(
        trace, slots=task.slots, policy=Policy(), costs=costs, seed=task.seed, witnesses=tuple(forecasters.values()),
        on_submitted=asking(forecasters, trace.begins_at),
    )  # fmt: skip
    until, before = 0.0, -1
    while monotonic() < task.until and not (len(world.records) == task.jobs and world.events == before):
        until, before = until + STEP_S, world.events
        world.run(until=until)
    records = list(takewhile(lambda record: record.ended_at is not None, world.records.values()))
    return Found(
        trace=task.trace, asked=task.asked, jobs=len(records), of=task.jobs, slots=task.slots,
        told={name: [_row(record, name) for record in records] for name in forecasters if name != PLAYING},
        playing=[(told.p10, told.p50, told.p90, left_s) for told, left_s in running.outcomes] if running else [],
        mean_wait_s=waits(records)["mean_wait_s"], preemptions=sum(record.preemptions for record in records),
        seconds=round(monotonic() - started, 1),
    )  # fmt: skip


def score(rows: Sequence[Row | None]) -> dict[str, Any]:
    """Coverage, worst window, error and quantile loss of what was told; None each where nothing was."""
    return score_of([(Range(*row[:3]), row[3]) for row in rows if row is not None]).to_mapping()


def _forecasters(task: Task, trace: Trace, costs: Costs) -> tuple[dict[str, Forecaster], RunningJobs | None]:
    known = usual_forecasters(trace, costs, task.seed)
    if task.asked == OUTCOMES:
        return {OUTCOMES: known[OUTCOMES]}, None
    if task.asked != HOUSE:
        return told_forecasters([task.asked.removeprefix("told_")], trace, costs, task.seed, task.kind, task.slots), None
    estimator = known[ESTIMATOR]
    assert isinstance(estimator, Estimator)
    chosen = {name: known[name] for name in (ESTIMATOR, *SIMPLE)}
    running = RunningJobs(estimator) if task.is_playing else None
    return chosen | ({} if running is None else {PLAYING: running}), running


def _row(record: JobRecord, name: str) -> Row | None:
    told, finish_s = record.predictions[name], record.finish_s
    if told is None or finish_s is None:
        return None
    return told.finish.p10, told.finish.p50, told.finish.p90, finish_s
