"""Traces are checked line by line: a bad one names itself, what is wrong with it and the way out."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from scheduler import submission
from scheduler.errors import SchedulerError
from scheduler.simulation.synthetic import KINDS, synthetic_trace
from scheduler.simulation.trace import MAX_AHEAD_S, read_lines, read_trace

GOOD: dict[str, Any] = {"at": 1.5, "id": "a", "user": "u", "team": "t", "role": "teacher", "priority": 10, "blocks": 8}


def _lines(*entries: dict[str, Any]) -> list[str]:
    return [json.dumps(entry) for entry in entries]


@pytest.mark.parametrize(
    ("line", "says", "way_out"),
    [
        ("{", "not JSON", "one JSON object per line"),
        ("[]", "not a JSON object", '{"at": 0'),
        (json.dumps({**GOOD, "at": -1}), "at is -1", "at least 0"),
        (json.dumps({**GOOD, "at": float("nan")}), "at is NaN", "at least 0"),
        (json.dumps({**GOOD, "id": "a\ud800"}), "half of a pair", "both halves"),
        (json.dumps({**GOOD, "note\udfff": 1}), "half of a pair", "both halves"),
        (json.dumps({**GOOD, "block_s": 1e7}), "block_s is 10000000: 8 blocks of it last 926 days", "may last 366 days"),
        (json.dumps({**GOOD, "at": 1e300}), "at is 1e+300", "at most 1e+11"),
        (json.dumps({**GOOD, "deadline": 10**400}), "deadline is 1000", "at most 1e+11"),
        (json.dumps({**GOOD, "blocks": 0}), "blocks is 0", "from 1 to"),
        (json.dumps({**GOOD, "blocks": True}), "blocks is true", "from 1 to"),
        (json.dumps({**GOOD, "priority": "50"}), "priority is '50'", "a whole number"),
        (json.dumps({**GOOD, "priority": 101}), "priority is 101", "from 0 to 100"),
        (json.dumps({name: GOOD[name] for name in GOOD if name != "team"}), "team is missing", "1 to 200"),
        (json.dumps({**GOOD, "block_s": 0}), "block_s is 0", "at least 0.0001"),
        (json.dumps({**GOOD, "deadline": 1.0}), "deadline is 1.0", "at least 1.5"),
        (json.dumps({**GOOD, "start_at": 1.0}), "start_at is 1.0", "at least 1.5 and at most 2592001.5"),
        (json.dumps({**GOOD, "start_at": 2_600_000}), "start_at is 2600000", "at most 2592001.5"),
        (json.dumps({**GOOD, "start_at": "10:00"}), "start_at is '10:00'", "Give seconds"),
        (json.dumps({**GOOD, "start_at": True}), "start_at is true", "Give seconds"),
        (json.dumps({**GOOD, "follows": 7}), "follows is 7", "1 to 200"),
        (json.dumps({**GOOD, "follows": ["first"]}), "follows is", "1 to 200"),
        (json.dumps({**GOOD, "follows": "b"}), "follows is 'b', and no earlier line has that id", "or leave follows out"),
        (json.dumps({**GOOD, "follows": "a"}), "follows is 'a', and no earlier line has that id", "or leave follows out"),
        (json.dumps({**GOOD, "at": 1.25, "follows": "first"}), "at is 1.25, before that of line 1, which it", "at least 1.5"),
        (json.dumps({**GOOD, "follows": "first", "start_at": 900}), "start_at stands beside follows", "session's first part"),
        (json.dumps({**GOOD, "follows": "first", "gpus": 2}), "gpus stands beside follows", "Ask for 1 slot"),
        ('{"at": 2, "event": "job_paused"}', "id is missing", "1 to 200"),
        ('{"at": 2, "event": "job_paused", "id": "nobody"}', "id is 'nobody', and no submission", "Name a job of this trace"),
        ('{"at": 1, "event": "job_resumed", "id": "first"}', "at is 1, before the job's own line, 1 (at 1.5)", "at least 1.5"),
        ('{"at": 1, "event": ["job_paused"]}', "is unknown", "job_paused or job_resumed, queue_paused or queue_resumed"),
        ('{"at": 1, "event": "worker_gone", "slot": 0}', "'worker_gone' is unknown", "worker_lost or worker_back"),
        ('{"at": 1, "event": "worker_lost", "slot": -1}', "slot is -1", "from 0"),
    ],
)
def test_bad_line_is_named_with_its_number_and_the_way_out(line: str, says: str, way_out: str) -> None:
    with pytest.raises(SchedulerError) as caught:
        read_lines([json.dumps({**GOOD, "id": "first"}), "", line], "day.jsonl")
    assert caught.value.code == "bad_trace"
    assert caught.value.message.startswith("day.jsonl, line 3: ") and says in caught.value.message
    assert way_out in caught.value.hint


def test_id_that_stands_twice_names_both_lines() -> None:
    with pytest.raises(SchedulerError, match=r"line 2: id 'a' stands in line 1 already"):
        read_lines(_lines(GOOD, GOOD))


def test_part_whose_turn_another_has_names_that_line_and_the_session_s_last_part() -> None:
    parts = [{**GOOD, "id": name, "follows": before} for name, before in (("b", "a"), ("c", "b"), ("d", "a"))]
    with pytest.raises(SchedulerError, match="line 4: follows is 'a', which line 2 follows already") as caught:
        read_lines(_lines(GOOD, *parts))
    assert (caught.value.field, caught.value.hint) == ("follows", "Follow 'c'.")


def test_sessions_reserved_times_and_pauses_survive_a_file_and_an_empty_key_is_none() -> None:
    lines = _lines(
        {**GOOD, "preset": "standard", "start_at": 700.25}, {**GOOD, "id": "b", "preset": "standard", "follows": "a"},
        {"at": 2.0, "event": "job_paused", "id": "b"}, {"at": 2.0, "event": "queue_paused"},
        {"at": 3.0, "event": "queue_resumed"}, {"at": 4.0, "event": "job_resumed", "id": "b"},
    )  # fmt: skip
    trace = read_lines(lines)
    assert trace.to_lines() == lines and trace.ignored == ()
    plain = {**GOOD, "id": "c", "follows": None, "start_at": None}
    assert read_lines(_lines(plain)).jobs == read_lines(_lines({**GOOD, "id": "c"})).jobs


def test_no_time_is_reserved_farther_ahead_than_the_house_takes_it() -> None:
    assert MAX_AHEAD_S == submission.MAX_AHEAD_S
    last = {**GOOD, "at": 0.123, "start_at": 0.123 + MAX_AHEAD_S}
    assert read_lines(_lines(last)).jobs[0].start_at == last["start_at"]


def test_file_without_submissions_or_without_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchedulerError, match="holds no submission"):
        read_lines(['{"at": 1, "event": "worker_lost", "slot": 0}'])
    with pytest.raises(SchedulerError, match="cannot be read"):
        read_trace(tmp_path / "missing.jsonl")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SchedulerError, match="cannot be read"):
        read_trace(tmp_path / "binary")


@pytest.mark.parametrize("wrong", [{"id": "b"}, {"event": "worker_back", "slot": 0}])
def test_trace_that_spans_more_than_a_year_is_refused_and_names_both_ends(wrong: dict[str, Any]) -> None:
    """One line has seconds since 1970, the others count from 0."""
    lines = _lines({**GOOD, "at": 40}, {**GOOD, **wrong, "at": 1_795_380_000}, {**GOOD, "id": "c", "at": 2})
    with pytest.raises(SchedulerError) as caught:
        read_lines(lines, "day.jsonl")
    assert caught.value.message == "day.jsonl, line 2: at is 1795380000, 20,780 days after the earliest line, 3 (at 2)."
    assert "from one beginning" in caught.value.hint
    assert len(read_lines(_lines({**GOOD, "at": 5e8}, {**GOOD, "id": "b", "at": 5e8 + 365 * 86_400})).jobs) == 2


def test_byte_order_mark_of_a_spreadsheet_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "marked.jsonl"
    path.write_text(json.dumps(GOOD) + "\n", encoding="utf-8-sig")
    assert [job.id for job in read_trace(path).jobs] == ["a"]


def test_unknown_fields_are_told_and_lines_come_in_order_of_time() -> None:
    trace = read_lines(_lines({**GOOD, "colour": "red"}, {**GOOD, "id": "b", "at": 0.5, "deadline": 60, "block_s": 0.5}))
    assert trace.ignored == ("colour",)
    assert [job.id for job in trace.jobs] == ["b", "a"]
    assert (trace.jobs[0].deadline, trace.jobs[0].block_s, trace.jobs[0].preset) == (60.0, 0.5, "standard")


# Days that figures were measured on: a seed gives the same trace for ever.
FINGERPRINTS = {
    "calm": "923a7d95723e", "bursts": "6f5fb462f5a4", "preemption": "b545dffc11bc", "faults": "115a180f37be",
    "drift": "2a2e0c52fe74", "peak": "724c33e6dd91",
}  # fmt: skip


@pytest.mark.parametrize("kind", FINGERPRINTS)
def test_synthetic_day_that_was_measured_on_is_never_drawn_another_way(kind: str) -> None:
    made = "\n".join(synthetic_trace(kind, slots=2, jobs=500, seed=7).to_lines())
    assert hashlib.sha256(made.encode()).hexdigest().startswith(FINGERPRINTS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_synthetic_day_is_the_same_for_the_same_seed_and_survives_a_file(kind: str, tmp_path: Path) -> None:
    made = synthetic_trace(kind, slots=2, jobs=60, seed=5)
    assert made == synthetic_trace(kind, slots=2, jobs=60, seed=5) != synthetic_trace(kind, slots=2, jobs=60, seed=6)
    (tmp_path / "day.jsonl").write_text("\n".join(made.to_lines()), encoding="utf-8")
    read = read_trace(tmp_path / "day.jsonl")
    assert [job.id for job in read.jobs] == [job.id for job in made.jobs] and len(read.faults) == len(made.faults)
    assert [(job.follows, job.start_at) for job in read.jobs] == [(job.follows, job.start_at) for job in made.jobs]
    assert read.jobs[-1].at == pytest.approx(made.jobs[-1].at, abs=0.001)
