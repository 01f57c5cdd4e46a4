"""A whole simulated run with forecasts: what `role_scheduler simulate` does, for everybody who needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scheduler.core.counted import counted
from scheduler.core.job import JobState
from scheduler.core.policy import Policy
from scheduler.core.state import State
from scheduler.costs import Costs
from scheduler.errors import SchedulerError
from scheduler.forecast.baselines import History, WorkAhead
from scheduler.forecast.witness import Forecaster, Request
from scheduler.simulation.discipline import DISCIPLINES, GREENROOM
from scheduler.simulation.records import JobRecord
from scheduler.simulation.totals import accuracy, totals
from scheduler.simulation.trace import Trace, request_of
from scheduler.simulation.world import World

MAX_SLOTS = 1024
ESTIMATOR = "estimator"


@dataclass(frozen=True, kw_only=True)
class Result:
    """A finished run."""

    records: tuple[JobRecord, ...]
    totals: dict[str, Any]
    baselines: dict[str, dict[str, Any]]
    notes: tuple[str, ...]
    events: int

    def to_mapping(self) -> dict[str, Any]:
        """What `simulate --json` prints."""
        return {
            "totals": self.totals, "baselines": self.baselines, "notes": list(self.notes),
            "jobs": [record.to_mapping(ESTIMATOR) for record in self.records],
        }  # fmt: skip


def simulate(
    trace: Trace, *, slots: int, policy: Policy | None = None, costs: Costs | None = None, seed: int = 0,
    discipline: str = GREENROOM, forecasters: Mapping[str, Forecaster] | None = None,
    check: Callable[[State], None] | None = None, on_progress: Callable[[int, int, float], None] | None = None,
) -> Result:  # fmt: skip
    """Run a trace on so many slots. `forecasters`: without it the usual ones; an empty map forecasts nothing. `on_progress`: is
    told after each submission how many there were, of how many, and the second of the trace.

    Raises SchedulerError where trace and slots do not belong together.
    """
    _check_size(trace, slots, discipline)
    paid = costs or Costs()
    told = usual_forecasters(trace, paid, seed) if forecasters is None else forecasters
    ask = asking(told, trace.begins_at)

    def on_submitted(world: World, record: JobRecord) -> None:
        ask(world, record)
        if on_progress is not None:
            on_progress(len(world.records), len(trace.jobs), record.line.at)

    world = World(
        trace, slots=slots, policy=policy or Policy(), costs=paid, seed=seed,
        discipline=discipline, witnesses=tuple(told.values()), on_submitted=on_submitted, check=check,
    )  # fmt: skip
    world.run()
    records = tuple(world.records.values())
    figures = totals(records, world.slot_seconds, ESTIMATOR)
    return Result(
        records=records, totals=figures, notes=tuple(_notes(trace, records, figures)), events=world.events,
        baselines={name: accuracy(records, name) for name in told if name != ESTIMATOR},
    )  # fmt: skip


def usual_forecasters(trace: Trace, costs: Costs, seed: int) -> dict[str, Forecaster]:
    """Those that every run is measured with. Until it has seen blocks, the estimator expects the policy's average ones."""
    # with them comes numpy: a tenth of every command's start
    from scheduler.forecast.estimator import Estimator
    from scheduler.simulation.oracle import Oracle

    def nominal(request: Request) -> float:
        return costs.nominal_s(request.preset)

    return {
        ESTIMATOR: Estimator(nominal, seed), "work_ahead": WorkAhead(), "history": History(),
        "oracle": Oracle(trace, costs, seed),
    }  # fmt: skip


def asking(told: Mapping[str, Forecaster], begins_at: float) -> Callable[[World, JobRecord], None]:
    """What a world is to do with each submission: ask every forecaster. `begins_at`: the trace's second 0, since 1970."""

    def ask(world: World, record: JobRecord) -> None:
        request = request_of(record.line, begins_at)
        for name, forecaster in told.items():
            record.predictions[name] = forecaster.predict(world.state, request)

    return ask


def _check_size(trace: Trace, slots: int, discipline: str) -> None:
    if not 1 <= slots <= MAX_SLOTS:
        raise SchedulerError(422, "bad_slots", f"{counted(slots, 'slot')}.", field="slots", hint=f"Use 1 to {MAX_SLOTS}.")
    if trace.least_slots > slots:
        raise SchedulerError(
            422, "bad_slots",
            f"The trace has faults of slot {trace.least_slots - 1}, and the house has {counted(slots, 'slot')}.",
            field="slots", hint=f"Use --slots {trace.least_slots}, or take those lines out (slots count from 0).",
        )  # fmt: skip
    if discipline not in DISCIPLINES:
        raise SchedulerError(
            422, "bad_discipline", f"The order {discipline!r} is not known.", field="order",
            hint=f"Known: {', '.join(DISCIPLINES)}.",
        )  # fmt: skip


def _notes(trace: Trace, records: Sequence[JobRecord], figures: Mapping[str, Any]) -> list[str]:
    notes = []
    if trace.ignored:
        notes.append(f"fields that mean nothing here: {', '.join(trace.ignored)}")
    if figures["rejected"]:
        first = next(record for record in records if record.state is JobState.REJECTED)
        notes.append(f"{counted(figures['rejected'], 'job')} rejected; the first, {first.line.id}: {first.error}")
    if figures["failed"]:
        first = next(record for record in records if record.state is JobState.FAILED)
        notes.append(f"{counted(figures['failed'], 'job')} failed; the first, {first.line.id}: {first.error}")
    if figures["cancelled"]:
        first = next(record for record in records if record.state is JobState.CANCELLED)
        notes.append(f"{counted(figures['cancelled'], 'job')} cancelled; the first, {first.line.id}: {first.error}")
    if apart := sum(record.is_apart for record in records):
        notes.append(f"{counted(apart, 'part')} played apart: the part before had ended when it was asked for")
    if figures["unfinished"]:
        or_paused = ", or a pause never ended" if trace.pauses else ""
        notes.append(f"{counted(figures['unfinished'], 'job')} never ended: no slot came back for them{or_paused}")
    return notes
