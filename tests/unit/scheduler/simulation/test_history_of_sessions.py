"""Sessions, reserved times and pauses of the house's past, exported and played again."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scheduler.cli.app import app
from scheduler.core.job import JobState
from scheduler.rehearsal.simulated import rehearse
from scheduler.rehearsal.sources import past_day
from scheduler.simulation.history import trace_of
from scheduler.simulation.run import simulate
from scheduler.simulation.trace import Trace, TracePause, read_lines
from scheduler.store import Store, open_reader
from scheduler.zone import studio_zone
from tests.unit.scheduler.plan.rig import studio
from tests.unit.scheduler.simulation.rig import Watched
from tests.unit.scheduler.store_rig import AT, READER, accept, go, writer

RECIPE = {"prompt": "x", "settings": {"size": "384*256", "steps": 3}}


def _id(number: int) -> str:
    return f"j{number:012d}"


def _accept(store: Store, number: int, follows: int = 0, **about: Any) -> None:
    accept(store, number, recipe=RECIPE, **({"follows": _id(follows)} if follows else {}), **about)


def _say(store: Store, tag: str, thing: str, at: float) -> None:
    with store.transaction():
        store.record(tag, thing, {}, READER, AT + at)


def _trace(data_dir: Path, since: float = 0.0, until: float = 1e9) -> Trace:
    with closing(open_reader(data_dir)) as reader:
        return trace_of(reader, AT + since, AT + until)


def _write_past(store: Store) -> None:
    """A relay of three, a reserved time exactly as far ahead as is allowed, and both kinds of pauses."""
    _accept(store, 1, total_blocks=40)  # longer than until the next part is paused
    _accept(store, 2, follows=1, submitted_at=AT + 1)
    _accept(store, 3, follows=2, submitted_at=AT + 1)
    _accept(store, 4, submitted_at=AT + 4.123457, start_at=AT + 604.123457)
    _say(store, "job:paused", f"job:{_id(2)}", 5)
    _say(store, "queue:paused", "queue", 6)
    _say(store, "queue:resumed", "queue", 8)
    _say(store, "job:resumed", f"job:{_id(2)}", 31)


def test_past_is_played_again_with_its_sessions_reserved_times_and_pauses(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        _write_past(store)
    trace = _trace(tmp_path)
    assert [(job.at, job.follows, job.start_at) for job in trace.jobs] == [
        (0.0, "", None), (0.0, _id(1), None), (0.0, _id(2), None), (pytest.approx(3.123457), "", pytest.approx(603.123457)),
    ]  # fmt: skip
    assert trace.pauses == (
        TracePause(at=4.0, event="job_paused", id=_id(2)), TracePause(at=5.0, event="queue_paused"),
        TracePause(at=7.0, event="queue_resumed"), TracePause(at=30.0, event="job_resumed", id=_id(2)),
    )  # fmt: skip
    again = read_lines(trace.to_lines())
    assert again.to_lines() == trace.to_lines() and again.pauses == trace.pauses
    world = Watched(again, slots=1)
    world.run()
    assert world.promises.findings() == []
    assert {record.state for record in world.records.values()} == {JobState.SUCCEEDED}
    begun = {name: spells[0][1] for name, spells in world.spells.items()}
    assert begun[_id(1)] == 0.0 and begun[_id(2)] >= 30.0 and begun[_id(3)] > begun[_id(2)] and begun[_id(4)] >= 603.123


def test_part_of_a_session_that_began_before_is_asked_for_by_itself(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        _accept(store, 1, submitted_at=AT - 50)
        _accept(store, 2, follows=1, submitted_at=AT + 1)
        _accept(store, 3, follows=2, submitted_at=AT + 1)
    assert [(job.id, job.follows) for job in _trace(tmp_path).jobs] == [(_id(2), ""), (_id(3), _id(2))]


def test_turn_that_a_cancelled_part_lost_is_that_of_the_part_after_it(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        _accept(store, 1)
        _accept(store, 2, follows=1)
        go(store, "SUBMITTED", "QUEUED", "CANCELLED", job_id=_id(2))
        _accept(store, 3, follows=1)
    trace = _trace(tmp_path)
    assert [(job.id, job.follows) for job in trace.jobs] == [(_id(1), ""), (_id(2), ""), (_id(3), _id(1))]
    assert simulate(read_lines(trace.to_lines()), slots=1, forecasters={}).totals["succeeded"] == 3


def test_part_behind_a_video_that_waits_for_approval_is_asked_for_with_it_or_not_at_all(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        _accept(store, 1, preview=_id(9))
        _accept(store, 2, follows=1)
        go(store, "SUBMITTED", "QUEUED", job_id=_id(1), approved_at=AT + 60)
        _accept(store, 3, preview=_id(9))
        _accept(store, 4, follows=3)
        _accept(store, 5, follows=4)
    assert [(job.id, job.at, job.follows) for job in _trace(tmp_path).jobs] == [(_id(1), 0.0, ""), (_id(2), 0.0, _id(1))]


def test_pauses_without_an_end_and_of_other_days_are_left_out_and_one_over_midnight_is_whole(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        for number in (1, 2, 3):
            _accept(store, number, submitted_at=AT + number)
        _accept(store, 4, submitted_at=AT + 200)
        marks = (("paused", 1, 90), ("paused", 2, 95), ("resumed", 1, 150), ("paused", 4, 210), ("resumed", 4, 220))
        for tag, number, at in marks:
            _say(store, f"job:{tag}", f"job:{_id(number)}", at)
        for tag, at in (("paused", 99), ("resumed", 120), ("paused", 130), ("resumed", 140)):
            _say(store, f"queue:{tag}", "queue", at)
    pauses = _trace(tmp_path, until=100).pauses
    assert [(pause.event, pause.id, pause.at) for pause in pauses] == [
        ("job_paused", _id(1), 89.0), ("queue_paused", "", 98.0), ("queue_resumed", "", 119.0), ("job_resumed", _id(1), 149.0),
    ]  # fmt: skip


def test_rehearsed_day_of_the_past_keeps_its_sessions_and_reserved_times(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        _write_past(store)
    house = studio(tmp_path, now=AT + 86_400, zone=studio_zone())
    with closing(open_reader(tmp_path)) as reader:
        source = past_day(house, reader, datetime.fromtimestamp(AT, studio_zone()).date())
    assert [job.follows for job in source.trace.jobs] == ["", _id(1), _id(2), ""] and source.trace.jobs[3].start_at is not None
    found = rehearse(source.on(1), 1, house.policy, seed=0)
    assert (found.totals["succeeded"], found.totals["rejected"]) == (4, 0)
    assert found.peaks["longest_wait_s"] < 31.0, "what is known beforehand (a reserved time, a turn, a pause) is no wait"


def test_command_line_exports_a_past_with_sessions_and_plays_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENROOM_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    with writer(tmp_path / "data") as store:
        _write_past(store)
    runner, day = CliRunner(), str(tmp_path / "day.jsonl")
    exported = runner.invoke(app, ["trace", "export", "--hours", "0", "--output", day])
    assert exported.stdout == f"4 jobs, 0 faults and 2 pauses written to {day}\n"
    run = json.loads(runner.invoke(app, ["simulate", day, "--json"]).stdout)
    told = {one["id"]: one for one in run["jobs"]}
    assert (told[_id(2)]["follows"], told[_id(4)]["start_at"], told[_id(1)]["follows"]) == (_id(1), 603.123, None)
    assert (run["totals"]["parts"]["jobs"], run["totals"]["reserved"]["jobs"], run["totals"]["succeeded"]) == (2, 1, 4)
    shown = runner.invoke(app, ["simulate", day]).stdout
    assert "after their reserved time" in shown and "between the parts of a session" in shown


def test_command_line_names_line_and_key_of_a_session_that_cannot_be(tmp_path: Path) -> None:
    day = tmp_path / "day.jsonl"
    line = {"at": 0, "id": "b", "user": "u", "team": "t", "role": "r", "priority": 1, "blocks": 10, "follows": "a"}
    day.write_text(json.dumps(line) + "\n")
    for words in (["simulate", str(day)], ["--stress", "--day", str(day), "--data", str(tmp_path)]):
        refused = CliRunner().invoke(app, words)
        assert refused.exit_code != 0 and "day.jsonl, line 1: follows is 'a', and no earlier line has that id." in refused.stderr
        assert "Name the job of an earlier line, or leave follows out." in refused.stderr


def test_rehearsed_session_that_comes_to_nothing_is_told_and_exits_with_1(tmp_path: Path) -> None:
    """Its first part loses its worker again and again before it has made a block."""
    first = {"at": 0, "id": "a", "user": "u", "team": "t", "role": "r", "priority": 1, "blocks": 4, "block_s": 50}
    lines = [first, {**first, "id": "b", "follows": "a"}]
    for at in range(9, 129, 20):
        lines += [{"at": at, "event": "worker_lost", "slot": 0}, {"at": at + 6, "event": "worker_back", "slot": 0}]
    (tmp_path / "day.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    words = ["--stress", "--day", str(tmp_path / "day.jsonl"), "--data", str(tmp_path / "none")]
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 1 and "1 failed, 0 turned away" in found.stdout, found.output
    assert "1 part cancelled, since the part before came to nothing" in found.stdout
