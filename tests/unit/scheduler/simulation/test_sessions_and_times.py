"""Sessions, reserved times and pauses of a trace, run by the very same core as a house runs them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from scheduler.chaos.promises import HANDED_OVER, PAUSED, RESERVED
from scheduler.core.job import JobState
from scheduler.core.policy import Policy
from scheduler.simulation.run import Result, simulate
from scheduler.simulation.synthetic import synthetic_trace
from scheduler.simulation.trace import Line, Trace, TraceFault, TraceJob, TracePause, read_lines
from tests.unit.scheduler.simulation.rig import EXACT, Watched, job, relay

DAY_S = 86_400.0


def _trace(*lines: Line, **about: Any) -> Trace:
    return Trace(
        jobs=tuple(line for line in lines if isinstance(line, TraceJob)),
        faults=tuple(line for line in lines if isinstance(line, TraceFault)),
        pauses=tuple(line for line in lines if isinstance(line, TracePause)), **about,
    )  # fmt: skip


def _world(*lines: Line, slots: int = 1, **options: Any) -> Watched:
    """Run to its end; what was promised was kept."""
    world = Watched(_trace(*lines), slots=slots, **options)
    world.run()
    assert world.promises.findings() == []
    return world


def _told(*lines: Line, **options: Any) -> Result:
    return simulate(_trace(*lines), **{"slots": 1, "costs": EXACT, "forecasters": {}, **options})


def test_parts_have_one_slot_after_another_without_a_gap_though_others_rank_higher() -> None:
    world = _world(*relay("a", "b", "c"), job("other", priority=80), job("better", at=3.0, priority=90))
    assert world.spells == {
        "a": [(0, 0.0)], "b": [(0, 5.0)], "c": [(0, 10.0)], "better": [(0, 15.0)], "other": [(0, 20.0)],
    }  # fmt: skip
    assert world.promises.kept[HANDED_OVER] == 2
    assert [world.records[name].wait_s for name in "abc"] == [0.0, 0.0, 0.0]


def test_next_part_takes_the_slot_of_the_part_before_it_and_its_role_is_ready_by_then() -> None:
    """A job of another role pays for the change; of a session only the first part does."""
    world = _world(job("x", blocks=4), *relay("a", "b"), job("y", at=8.0, role="y"), slots=2, costs=replace(EXACT, switch_s=1.0))
    assert [world.spells[name] for name in ("x", "a", "b")] == [[(0, 0.0)], [(1, 0.0)], [(1, 6.0)]]
    assert [world.records[name].prepare_s for name in ("a", "b", "y")] == [1.0, 0.0, 1.0]


def test_lost_worker_tears_nothing_that_was_promised_and_the_session_goes_on() -> None:
    lost = (TraceFault(at=6.2, event="worker_lost", slot=0), TraceFault(at=7.0, event="worker_back", slot=0))
    world = _world(*relay("a", "b", "c"), job("other"), *lost)
    assert world.records["b"].losses == 1 and [record.state for record in world.records.values()] == [JobState.SUCCEEDED] * 4
    ends = {name: record.ended_at for name, record in world.records.items()}
    assert ends["c"] == pytest.approx(15.0 + 0.2 + 0.8) and ends["other"] == pytest.approx(21.0)


def test_part_asked_for_when_the_part_before_it_has_ended_is_played_by_itself_and_said() -> None:
    """A person who is told so leaves `follows` out."""
    late = job("late", at=7.0, follows="a")
    result = _told(job("a"), late)
    assert result.records[1].state is JobState.SUCCEEDED and result.totals["parts"]["jobs"] == 0
    assert result.notes == ("1 part played apart: the part before had ended when it was asked for",)


def test_part_that_follows_one_that_was_refused_is_refused_as_a_house_refuses_it() -> None:
    first = job("a", start_at=1.0)  # too early
    result = _told(first, job("b", follows="a"))
    assert result.totals["rejected"] == 2
    assert result.records[1].error.startswith("a was rejected already, so there is no turn to wait for.")


def test_parts_behind_one_that_fails_are_cancelled_and_told() -> None:
    """A job that loses its worker again and again, without a block in between, comes to nothing."""
    faults = [
        TraceFault(at=0.1 + number * 10 + wait, event=event, slot=0)
        for number in range(8) for event, wait in (("worker_lost", 0.0), ("worker_back", 9.9))
    ]  # fmt: skip
    result = _told(*relay("a", "b", "c", blocks=2), *faults, policy=Policy(max_crashes=2))
    assert [record.state for record in result.records] == [JobState.FAILED, JobState.CANCELLED, JobState.CANCELLED]
    assert (result.totals["failed"], result.totals["cancelled"], result.totals["unfinished"]) == (1, 2, 0)
    assert "2 jobs cancelled; the first, b: It was to follow a, which ended as FAILED." in result.notes


def test_reserved_job_begins_at_its_time_on_a_busy_slot_and_waits_for_nothing_before() -> None:
    """The slot's job gives way at its next block; a wait is counted from the reserved time on."""
    world = _world(job("r", at=10.0, start_at=700.2), job("long", at=690.0, blocks=100))
    record = world.records["r"]
    assert record.leased_at is not None and 700.2 <= record.leased_at <= 702.0
    assert record.wait_s == pytest.approx(record.leased_at - 700.2) and world.records["long"].preemptions == 1
    assert world.promises.kept[RESERVED] == 1


def test_time_reserved_hours_ahead_comes_though_nothing_else_happens_until_then() -> None:
    record = _world(job("r", start_at=10 * 3600.0)).records["r"]
    assert record.state is JobState.SUCCEEDED and record.leased_at == pytest.approx(36_000.0, abs=1.1)


def test_time_that_was_promised_to_others_is_refused_with_what_would_fit() -> None:
    result = _told(job("one", start_at=900.0), job("two", start_at=902.0))
    assert result.totals["rejected"] == 1 and "two: " in result.notes[0] and "905" in result.notes[0]


@pytest.mark.parametrize("begins_at", [0.0, 1_795_427_641.123])
@pytest.mark.parametrize("at", [0.1, 513.822, 1934.073, 65_323.665])
def test_notice_kept_to_the_second_is_kept_in_a_trace_whatever_its_numbers_are_rounded_to(at: float, begins_at: float) -> None:
    written = _trace(job("r", at=at, start_at=at + Policy().reservation_notice_s)).to_lines()
    trace = replace(read_lines(written), begins_at=begins_at)
    assert simulate(trace, slots=1, forecasters={}).totals["rejected"] == 0


def test_session_whose_first_part_has_a_reserved_time_waits_for_it_as_a_whole() -> None:
    first, *rest = relay("a", "b", "c")
    world = _world(replace(first, start_at=900.0), *rest, job("other", at=899.0))
    assert [round(world.spells[name][0][1]) for name in ("a", "b", "c")] == [900, 905, 910]
    assert world.records["other"].preemptions == 1


def test_paused_job_gives_its_slot_up_and_goes_on_when_it_is_resumed() -> None:
    pauses = (TracePause(at=2.2, event="job_paused", id="a"), TracePause(at=20.0, event="job_resumed", id="a"))
    world = _world(job("a"), job("b", at=1.0), *pauses)
    assert world.spells == {"a": [(0, 0.0), (0, 20.0)], "b": [(0, 2.5)]}
    assert world.records["a"].ended_at == pytest.approx(22.5) and world.records["a"].preemptions == 0
    assert world.promises.kept[PAUSED] == 1


def test_wait_of_a_job_that_was_paused_before_it_began_is_counted_from_its_resumption() -> None:
    pauses = (TracePause(at=1.5, event="job_paused", id="b"), TracePause(at=30.0, event="job_resumed", id="b"))
    record = _world(job("a"), job("b", at=1.0), *pauses).records["b"]
    assert (record.leased_at, record.wait_s) == (30.0, 0.0)


def test_pause_of_what_has_ended_changes_nothing_and_one_without_an_end_leaves_a_job_unfinished() -> None:
    def paused(name: str) -> TracePause:
        return TracePause(at=7.0, event="job_paused", id=name)

    plain, late = _told(job("a"), job("b")), _told(job("a"), job("b"), paused("a"))
    assert plain.to_mapping() == late.to_mapping()
    left = _told(job("a"), job("b"), paused("b"))
    assert left.totals["unfinished"] == 1 and left.notes[0].endswith("no slot came back for them, or a pause never ended")


def test_paused_queue_begins_nothing_until_it_is_resumed() -> None:
    pauses = (TracePause(at=1.0, event="queue_paused"), TracePause(at=8.0, event="queue_resumed"))
    world = _world(*relay("a", "b"), *pauses)
    assert world.spells == {"a": [(0, 0.0)], "b": [(0, 8.0)]}
    assert world.promises.kept["parts let wait: queue paused"] == 1
    assert world.records["b"].wait_s == 3.0


@pytest.mark.parametrize("order", ["greenroom", "fifo", "priority", "shortest"])
def test_synthetic_day_of_sessions_keeps_its_promises_under_every_order(order: str) -> None:
    trace = synthetic_trace("sessions", slots=2, jobs=150, seed=4)
    world = Watched(trace, slots=2, seed=4, discipline=order)
    world.run()
    assert world.promises.findings() == []
    assert world.promises.kept[HANDED_OVER] >= 20 and world.promises.kept[RESERVED] >= 5
    assert {record.state for record in world.records.values()} == {JobState.SUCCEEDED}


def test_every_job_of_a_day_of_sessions_is_foretold_once_enough_is_learnt() -> None:
    trace = synthetic_trace("sessions", slots=2, jobs=60, seed=3)
    result = simulate(trace, slots=2, seed=3)
    untold = [record for record in result.records[20:] if record.predictions["estimator"] is None]
    assert untold == [] and any(record.line.start_at for record in result.records[20:])
    for record in result.records[20:]:
        foretold = record.predictions["estimator"]
        if record.line.start_at is not None and foretold is not None:
            assert foretold.start.p10 >= record.line.start_at - record.line.at - 1e-6, "nothing begins before its time"


def test_synthetic_sessions_are_relays_of_two_to_four_roles_of_one_person_each() -> None:
    trace = synthetic_trace("sessions", slots=2, jobs=400, seed=1)
    by_id = {line.id: line for line in trace.jobs}
    chains: dict[str, list[TraceJob]] = {}
    for line in trace.jobs:
        first = line
        while first.follows:
            first = by_id[first.follows]
        chains.setdefault(first.id, []).append(line)
    relays = [chain for chain in chains.values() if len(chain) > 1]
    assert {len(chain) for chain in relays} == {2, 3, 4} and len(relays) > 20
    for chain in relays:
        assert len({line.role for line in chain}) == len(chain)
        assert len({(line.at, line.user, line.team, line.priority) for line in chain}) == 1
    reserved = [line for line in trace.jobs if line.start_at is not None]
    assert len(reserved) > 10 and all(line.start_at % 60 == 0 and not line.follows for line in reserved if line.start_at)


def test_team_with_a_reserved_time_is_not_kept_waiting_until_then() -> None:
    """Its job lies in the house for the whole of the day, and could use no slot."""
    mine = [job(f"a{number}", number * 5.0, team="a") for number in range(250)]
    later = job("later", team="b", start_at=1200.0)
    result = _told(later, *mine, policy=Policy(max_queued_per_user=1000))
    assert result.totals["fairness"] is None and result.totals["reserved"]["jobs"] == 1
