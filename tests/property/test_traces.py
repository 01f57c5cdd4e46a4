"""Any day of sessions, reserved times, pauses and faults: it survives a file, keeps what was promised and comes to an end."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core.job import FINAL_STATES, JobState
from scheduler.core.policy import Policy
from scheduler.simulation.trace import Trace, TraceFault, TraceJob, TracePause, read_lines
from tests.unit.scheduler.simulation.rig import Watched, job

SLOTS = 2
_SECONDS = st.integers(0, 60_000).map(lambda number: number / 1000)


def _span(draw: Any, since: float = 0.0) -> tuple[float, float]:
    """Two times from then on, in whole milliseconds."""
    begins = round(since + draw(_SECONDS), 3)
    return begins, round(begins + draw(_SECONDS), 3)


@st.composite
def _relays(draw: Any, number: int, at: float) -> list[TraceJob]:
    """A job or a session, its parts asked for at once or one by one."""
    parts: list[TraceJob] = []
    is_reserved = draw(st.integers(0, 3)) == 0
    for part in range(draw(st.sampled_from((1, 1, 2, 3)))):
        at = round(at + (draw(_SECONDS) if part and draw(st.booleans()) else 0.0), 3)
        parts.append(
            job(
                f"j{number}-{part}", at, role=f"r{part}", user=f"u{number % 3}", team=f"t{number % 2}",
                priority=draw(st.sampled_from((5, 10, 40, 100))), blocks=draw(st.integers(1, 30)),
                follows=parts[-1].id if parts else "",
                start_at=round(at + 600.0 + draw(_SECONDS), 3) if is_reserved and not part else None,
            )
        )  # fmt: skip
    return parts


@st.composite
def _days(draw: Any) -> Trace:
    """Some minutes of two slots; every worker comes back and every pause ends."""
    at, jobs, faults, pauses = 0.0, [], [], []
    for number in range(draw(st.integers(1, 8))):
        at = round(at + draw(_SECONDS), 3)
        jobs += draw(_relays(number, at))
    for line in draw(st.lists(st.sampled_from(jobs), max_size=3, unique_by=lambda line: line.id)):
        since, until = _span(draw, line.at)
        pauses += [TracePause(at=since, event="job_paused", id=line.id), TracePause(at=until, event="job_resumed", id=line.id)]
    if draw(st.booleans()):
        since, until = _span(draw)
        pauses += [TracePause(at=since, event="queue_paused"), TracePause(at=until, event="queue_resumed")]
    for slot in draw(st.lists(st.integers(0, SLOTS - 1), max_size=2, unique=True)):
        since, until = _span(draw)
        faults += [TraceFault(at=since, event="worker_lost", slot=slot), TraceFault(at=until, event="worker_back", slot=slot)]
    return Trace(
        jobs=tuple(sorted(jobs, key=lambda line: line.at)), faults=tuple(sorted(faults, key=lambda line: line.at)),
        pauses=tuple(sorted(pauses, key=lambda line: line.at)),
    )  # fmt: skip


@settings(max_examples=150)
@given(_days(), st.sampled_from((0.0, 1_795_427_641.123)))
def test_day_keeps_its_promises_and_survives_a_file(trace: Trace, begins_at: float) -> None:
    read = read_lines(trace.to_lines())
    assert read.to_lines() == trace.to_lines()
    world = Watched(Trace(jobs=read.jobs, faults=read.faults, pauses=read.pauses, begins_at=begins_at), slots=SLOTS,
                    policy=Policy(max_queued_per_user=100))  # fmt: skip
    world.run()
    assert world.promises.findings() == []
    by_id = {line.id: line for line in trace.jobs}
    for name, record in world.records.items():
        assert record.state in FINAL_STATES, name
        before = world.records.get(by_id[name].follows)
        if record.state is JobState.SUCCEEDED and before is not None and not record.is_apart:
            assert before.ended_at is not None and record.leased_at is not None and before.ended_at <= record.leased_at
        start_at = by_id[name].start_at
        if start_at is not None and name in world.spells:
            assert world.spells[name][0][1] >= start_at - 1e-5
