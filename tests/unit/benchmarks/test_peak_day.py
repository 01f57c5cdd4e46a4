"""What counts as an answer on the peak day."""

from __future__ import annotations

from pathlib import Path

from benchmarks.peak_day import EXAMPLES, GOAL_ANSWERED, count, day_of, house
from scheduler.core.job import JobState
from scheduler.forecast.ranges import Estimate, Range
from scheduler.plan.simulated import Cast
from scheduler.simulation.records import JobRecord
from scheduler.simulation.run import ESTIMATOR
from scheduler.simulation.trace import TraceJob
from tests.unit.scheduler.plan.rig import role

NAMES = ("teacher", "student", "assistant", "presenter")


def _record(name: str, started_s: float, finished_s: float | None, p90: float | None) -> JobRecord:
    line = TraceJob(at=100.0, id=name, user="a", team="t", role="teacher", priority=10, blocks=10, block_s=0.5)
    record = JobRecord(line, started_at=100.0 + started_s)
    record.state = JobState.FAILED if finished_s is None else JobState.SUCCEEDED
    record.ended_at = 100.0 + (finished_s or 9.0)
    spread = Range(1.0, 2.0, p90 or 0.0)
    record.predictions[ESTIMATOR] = None if p90 is None else Estimate(start=spread, finish=spread)
    return record


def test_request_counts_once_by_what_it_was_promised() -> None:
    records = [
        _record("at_once", 0.4, 50.0, 10.0), _record("in_time", 3.0, 10.0, 10.0), _record("late", 3.0, 10.1, 10.0),
        _record("lowered", 3.0, 10.1, 10.0), _record("failed", 0.0, None, 10.0), _record("silent", 3.0, 5.0, None),
    ]  # fmt: skip
    rungs = {record.line.id: "steps=3" if record.line.id == "lowered" else "" for record in records}
    cast = Cast(lines=tuple(record.line for record in records), rungs=rungs, refused={"away": "too large"})
    found = count(records, cast, {record.line.id: 0.5 for record in records})
    assert (found.requests, found.at_once, found.in_time, found.late, found.failed) == (7, 1, 1, 1, 2)
    assert (found.lowered, found.no_promise, found.answered_ratio) == (1, 1, 2 / 7)
    assert GOAL_ANSWERED == 0.92


def test_example_day_is_lowered_by_consent_where_a_slot_has_no_room_and_nobody_is_turned_away() -> None:
    roles = {name: role(name, voice_seconds=5.0) for name in NAMES}
    wanted, cast = day_of(Path(EXAMPLES / "peak_day.yaml"), house(roles, 1), seed=0)
    again, _ = day_of(Path(EXAMPLES / "peak_day.yaml"), house(roles, 1), seed=0)
    lowered = [job_id for job_id, rung in cast.rungs.items() if rung]
    assert [one.at for one in wanted] == [one.at for one in again]
    assert cast.refused == {}
    assert {cast.rungs[job_id] for job_id in lowered} == {"steps=3"}
    assert 0.05 < len(lowered) / len(wanted) < 0.1
    crowd = sum(one.work_s or 0.0 for one in wanted if 10.5 <= (one.at - house(roles, 1).now) / 3600 < 11.5)
    assert crowd > 3600, "more is asked for in the crowd's hour than the slot can do"
