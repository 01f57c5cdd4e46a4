"""Plays a plan's videos in the simulated studio: the real core decides, the simulated workers keep the learnt pace."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp

from engine.config import fit_size
from scheduler.core import events
from scheduler.core.admission import REJECTED, admit
from scheduler.core.job import Job, JobState
from scheduler.core.state import State
from scheduler.costs import Costs
from scheduler.plan.demand import Demand
from scheduler.plan.pace import Pace, Setting, pace_of
from scheduler.plan.played import Outcome
from scheduler.plan.studio import Studio
from scheduler.simulation.trace import Trace, TraceJob
from scheduler.simulation.world import World

OPEN = "open:"  # ids of jobs that are in the house already


def play(wanted: Sequence[Demand], studio: Studio, scatter: int) -> dict[str, Outcome]:
    """What becomes of each video. The paces of all of them must be known (see `scheduler.plan.played.Play`)."""
    if not wanted:
        return {}
    origin = studio.now if studio.open_jobs else min(one.at for one in wanted)
    cast = cast_of(wanted, studio, origin, scatter)
    world = _world([*_open_lines(studio), *cast.lines], studio, origin, scatter)  # of one moment, the open jobs come first
    world.run()
    outcomes = {job_id: Outcome(id=job_id, start=None, finish=None, reason=why) for job_id, why in cast.refused.items()}
    for line in cast.lines:
        outcomes[line.id] = _outcome(world, line.id, origin, cast.rungs[line.id])
    return outcomes


@dataclass(frozen=True, kw_only=True)
class Cast:
    """A plan's videos as lines of a trace. `rungs`: the setting that admission gives each, "" as asked; `refused`: why not."""

    lines: tuple[TraceJob, ...]
    rungs: dict[str, str]
    refused: dict[str, str]


def cast_of(wanted: Sequence[Demand], studio: Studio, origin: float, scatter: int) -> Cast:
    """Admission and pace of each video; second 0 of the trace is `origin`. Whoever is asked for consent agrees."""
    lines: list[TraceJob] = []
    rungs: dict[str, str] = {}
    refused: dict[str, str] = {}
    for one in wanted:
        rung, reason = _admitted(one, studio)
        if reason:
            refused[one.id] = reason
            continue
        rungs[one.id] = rung
        lines.append(_line(one, studio, rung, origin, scatter))
    return Cast(lines=tuple(sorted(lines, key=lambda line: (line.at, line.id))), rungs=rungs, refused=refused)


def _world(lines: list[TraceJob], studio: Studio, origin: float, scatter: int) -> World:
    trace = Trace(jobs=tuple(sorted(lines, key=lambda line: line.at)), begins_at=origin)
    policy = replace(studio.policy, slot_memory_bytes=None)  # memory was decided on above
    costs = _costs(studio, scatter)
    world = World(trace, slots=studio.slots, policy=policy, costs=costs, seed=scatter, without_worker=studio.drained)
    world.state.spent = studio.spent.copy()
    for role in studio.roles.values():
        world.state.relations.put(role.name, role.never_with)
    return world


def _costs(studio: Studio, scatter: int) -> Costs:
    """Beside its blocks a job costs what finished jobs cost here; the blocks' scatter is put into each job's pace."""
    costs = Costs(block_sigma=0.0, job_sigma=0.0, drift_sigma=0.08 if scatter else 0.0)
    return costs if studio.overhead_s is None else replace(costs, switch_s=0.0, close_s=studio.overhead_s)


def _admitted(one: Demand, studio: Studio) -> tuple[str, str]:
    """(rung, why not): what admission says of it in an empty house, with consent given where it is asked for."""
    assert one.pace is not None, one.id
    state, block_ms = State(studio.policy, 1), max(1, round(1000 * one.pace.block_s))
    job = Job(
        id=one.id, ordinal=1, user=one.user, team=one.role.team, role=one.role.name, priority=one.priority,
        submitted_at=one.at, total_blocks=one.blocks, context_bytes=one.context_bytes, degrade=one.degrade,
        block_ms=block_ms,
    )  # fmt: skip
    event = events.JobSubmitted(
        at=one.at, job_id=one.id, ordinal=1, user=one.user, team=one.role.team, role=one.role.name, priority=one.priority,
        total_blocks=one.blocks, context_bytes=one.context_bytes, degrade=one.degrade, alternatives=one.alternatives,
        block_ms=block_ms,
    )  # fmt: skip
    decision = admit(state, job, event)
    if decision.verdict == REJECTED:
        return "", decision.text["en"]
    return decision.rung or "", ""


def _line(one: Demand, studio: Studio, rung: str, origin: float, scatter: int) -> TraceJob:
    pace = _pace_at(one, studio, rung)
    return TraceJob(
        at=one.at - origin, id=one.id, user=one.user, team=one.role.team or "-", role=one.role.name, priority=one.priority,
        blocks=one.blocks, block_s=_scattered(pace, one.id, scatter), expected_s=pace.block_s,
    )  # fmt: skip


def _pace_at(one: Demand, studio: Studio, rung: str) -> Pace:
    """The pace at a lower setting, `steps=3 size=384*256`; that of the setting as asked where nothing better is known."""
    assert one.pace is not None, one.id
    values = dict(word.split("=", 1) for word in rung.split())
    width, height = one.setting.width, one.setting.height
    if "size" in values:
        width, height = fit_size(values["size"], one.role.image_width, one.role.image_height)
    steps = int(values.get("steps", one.setting.steps))
    return pace_of(studio, Setting(width=width, height=height, steps=steps)) or one.pace


def _scattered(pace: Pace, job_id: str, scatter: int) -> float:
    """Seconds per block of one job on one scattered day, the same on every machine."""
    if not scatter:
        return pace.block_s
    sigma = min(1.0, pace.spread_s / pace.block_s)
    return pace.block_s * exp(sigma * random.Random(f"{scatter}:{job_id}").gauss(0.0, 1.0))


def _open_lines(studio: Studio) -> list[TraceJob]:
    """What is in the house already; what has aged keeps its lead, a reserved job comes at its time as an urgent one, and with it
    the parts of its session."""
    policy, lines = studio.policy, []
    known = {work.id for work in studio.open_jobs}
    comes_at: dict[str, float] = {}
    for work in studio.open_jobs:  # of a session, the parts in their order
        comes_at[work.id] = max(0.0, (work.start_at or 0.0) - studio.now, comes_at.get(work.follows, 0.0))
        aged = work.priority + policy.ageing_per_s * max(0.0, studio.now - work.submitted_at)
        priority = max(work.priority, min(int(aged), policy.ageing_ceiling))
        lines.append(
            TraceJob(
                at=comes_at[work.id], id=f"{OPEN}{work.id}", user=work.user, team=work.team or "-", role=work.role,
                priority=priority if work.start_at is None else max(priority, policy.urgent_priority),
                blocks=work.blocks_left, block_s=work.block_s, expected_s=work.block_s,
                follows=f"{OPEN}{work.follows}" if work.follows in known else "",
            )
        )  # fmt: skip
    return lines


def _outcome(world: World, job_id: str, origin: float, rung: str) -> Outcome:
    record = world.records[job_id]
    is_done = record.state is JobState.SUCCEEDED and record.ended_at is not None
    return Outcome(
        id=job_id, start=None if record.started_at is None else origin + record.started_at,
        finish=origin + record.ended_at if is_done and record.ended_at is not None else None,
        spans=tuple((origin + since, origin + until) for since, until in record.spells),
        preemptions=record.preemptions, rung=rung, reason="" if is_done else record.error or f"it ends as {record.state}",
    )  # fmt: skip
