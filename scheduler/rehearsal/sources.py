"""Where a rehearsed day comes from: a synthetic peak, a day of the house's past, a trace file, a day plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path

from engine.catalog import PRESETS
from engine.config import fit_size
from scheduler.errors import SchedulerError
from scheduler.plan.demand import demand_of
from scheduler.plan.entry import Calendar, DayPlan
from scheduler.plan.pace import Pace, Setting, pace_of
from scheduler.plan.studio import Studio
from scheduler.simulation.history import trace_of
from scheduler.simulation.synthetic import BLOCK_S, MEAN_BLOCKS, synthetic_trace
from scheduler.simulation.trace import Trace, TraceJob, read_trace
from scheduler.store import Reader

PEAK, HISTORY = "peak", "history"
HOURS, OPENS_AT = 8.0, time(9)  # of the synthetic day, in the studio's zone
PEAK_LOAD = 0.8
LEAST_JOBS, MOST_JOBS = 50, 5_000
LOOK_BACK_DAYS = 30
PORTRAIT = (640, 960)  # where there is no role to ask


@dataclass(frozen=True, kw_only=True)
class Source:
    """A day to rehearse. `block_s`: seconds of a standard block in it; `basis`: where that is known from."""

    name: str
    trace: Trace
    block_s: float
    basis: str

    def on(self, slots: int) -> Source:
        """The same day for so many slots: faults of others are left out."""
        faults = tuple(fault for fault in self.trace.faults if fault.slot < slots)
        return replace(self, trace=replace(self.trace, faults=faults))


def day_named(name: str, studio: Studio, reader: Reader | None, seed: int) -> Source:
    """The day that `--day` names. Raises SchedulerError with the way out."""
    if name == PEAK:
        return peak_day(studio, seed)
    if name.endswith(".jsonl"):
        pace, basis = house_pace(studio)
        return Source(name=Path(name).name, trace=read_trace(Path(name)), block_s=pace, basis=basis)
    if reader is None:
        raise SchedulerError(
            404, "no_history", "There is no studio here, so it has no past days.", field="day", hint=f"Use --day {PEAK}."
        )
    if name == HISTORY:
        return past_day(studio, reader, _busiest(studio, reader))
    try:
        return past_day(studio, reader, date.fromisoformat(name))
    except ValueError as error:
        raise SchedulerError(
            422, "bad_day", f"{name!r} is no day to rehearse.", field="day",
            hint=f"Use {PEAK}, {HISTORY} (the busiest day of the last {LOOK_BACK_DAYS}), a day such as 2026-11-20, or a "
            "trace file ending in .jsonl.",
        ) from error  # fmt: skip


def peak_day(studio: Studio, seed: int) -> Source:
    """Eight hours of a Monday with two peaks beyond what the slots can do, faults included, at the pace of this house."""
    block_s, basis = house_pace(studio)
    slots = max(1, studio.usable_slots)
    jobs = int(HOURS * 3600 * PEAK_LOAD * slots / (MEAN_BLOCKS * block_s))
    trace = synthetic_trace(PEAK, slots=slots, jobs=min(MOST_JOBS, max(LEAST_JOBS, jobs)), seed=seed)
    trace = replace(_stretched(trace, block_s / BLOCK_S), begins_at=_monday_morning(studio))
    return Source(name=PEAK, trace=trace, block_s=block_s, basis=basis)


def plan_day(plan: DayPlan, studio: Studio) -> Source:
    """A day plan's demand, as its check plays it. Raises SchedulerError where a pace is not known."""
    calendar = Calendar.of(plan, studio.now, studio.zone)
    early = replace(studio, now=min(studio.now, calendar.at(0)))
    wanted, _ = demand_of(plan.entries, calendar, early)
    if not wanted or any(one.pace is None for one in wanted):
        raise SchedulerError(
            409, "cannot_rehearse", "The plan cannot be rehearsed as it is.", field="plan",
            hint="Check it first: role_scheduler --validate --plan FILE",
        )  # fmt: skip
    zero = calendar.at(0)
    paces = [one.pace.block_s if one.pace else None for one in wanted]
    jobs = [
        TraceJob(
            at=one.at - zero, id=one.id, user=one.user, team=one.role.team or "none", role=one.role.name,
            priority=one.priority, blocks=one.blocks, block_s=pace_s, expected_s=pace_s,
        )
        for one, pace_s in zip(wanted, paces, strict=True)
    ]  # fmt: skip
    block_s, basis = house_pace(studio)
    trace = Trace(jobs=tuple(sorted(jobs, key=lambda job: job.at)), begins_at=zero)
    return Source(name=f"plan {calendar.day}", trace=trace, block_s=block_s, basis=basis)


def past_day(studio: Studio, reader: Reader, day: date) -> Source:
    """What was asked for and what broke on one day of the past."""
    since = datetime.combine(day, time(), studio.zone).timestamp()
    trace = trace_of(reader, since, since + 86_400)
    if not trace.jobs:
        raise SchedulerError(
            404, "empty_day", f"Nothing was asked for on {day}.", field="day",
            hint=f"Use --day {HISTORY} for the busiest day of the last {LOOK_BACK_DAYS}, or --day {PEAK}.",
        )  # fmt: skip
    block_s, basis = house_pace(studio)
    return Source(name=day.isoformat(), trace=trace, block_s=block_s, basis=basis)


def house_pace(studio: Studio) -> tuple[float, str]:
    """Seconds of a block of the preset that most roles use here, and where that is known from.

    Where nobody knows, that of the model's published pace, and the basis says `assumed`.
    """
    roles = list(studio.roles.values())
    names = [role.preset for role in roles] or ["standard"]
    preset = PRESETS[max(sorted(set(names)), key=names.count)]
    picture = (roles[0].image_width, roles[0].image_height) if roles else PORTRAIT
    width, height = fit_size(preset.size, *picture)
    found: Pace | None = pace_of(studio, Setting(width=width, height=height, steps=preset.steps))
    return (BLOCK_S, "assumed") if found is None else (found.block_s, found.basis.value)


def _monday_morning(studio: Studio) -> float:
    """When a synthetic day begins: always on the same day of the week, so that weekly windows hit it the same on every day."""
    today = datetime.fromtimestamp(studio.now, studio.zone).date()
    return datetime.combine(today - timedelta(days=today.weekday()), OPENS_AT, studio.zone).timestamp()


def _busiest(studio: Studio, reader: Reader) -> date:
    today = datetime.fromtimestamp(studio.now, studio.zone).date()
    blocks: dict[date, int] = {}
    since = datetime.combine(today - timedelta(days=LOOK_BACK_DAYS), time(), studio.zone).timestamp()
    for row in reader.arrivals(since, studio.now):
        day = datetime.fromtimestamp(row["submitted_at"], studio.zone).date()
        blocks[day] = blocks.get(day, 0) + row["total_blocks"]
    if not blocks:
        raise SchedulerError(
            404, "no_history", f"Nothing was asked for in the last {LOOK_BACK_DAYS} days.", field="day",
            hint=f"Use --day {PEAK}.",
        )  # fmt: skip
    return max(sorted(blocks), key=lambda day: blocks[day])


def _stretched(trace: Trace, factor: float) -> Trace:
    """The same day for a house of another pace: everything takes `factor` times as long, arrivals too."""

    def longer(seconds: float | None) -> float | None:
        return None if seconds is None else seconds * factor

    jobs = tuple(
        replace(
            job, at=job.at * factor, block_s=longer(job.block_s), deadline=longer(job.deadline), start_at=longer(job.start_at)
        )
        for job in trace.jobs
    )
    faults = tuple(replace(fault, at=fault.at * factor) for fault in trace.faults)
    pauses = tuple(replace(pause, at=pause.at * factor) for pause in trace.pauses)
    return replace(trace, jobs=jobs, faults=faults, pauses=pauses)
