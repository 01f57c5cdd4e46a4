"""Traces are checked line by line: a bad one names itself, what is wrong with it and the way out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scheduler.errors import SchedulerError
from scheduler.simulation.synthetic import KINDS, synthetic_trace
from scheduler.simulation.trace import read_lines, read_trace

GOOD: dict[str, Any] = {"at": 1.5, "id": "a", "user": "u", "team": "t", "role": "teacher", "priority": 10, "blocks": 8}


def _lines(*entries: dict[str, Any]) -> list[str]:
    return [json.dumps(entry) for entry in entries]


@pytest.mark.parametrize(
    ("line", "says", "way_out"),
    [
        ("{", "not JSON", "one JSON object per line"),
        ("[]", "not a JSON object", '{"at": 0'),
        (json.dumps({**GOOD, "at": -1}), "at is '-1'", "at least 0"),
        (json.dumps({**GOOD, "at": float("nan")}), "at is 'nan'", "at least 0"),
        (json.dumps({**GOOD, "at": 1e300}), "at is '1e+300'", "at most 1e+11"),
        (json.dumps({**GOOD, "deadline": 10**400}), "deadline is '1000", "at most 1e+11"),
        (json.dumps({**GOOD, "blocks": 0}), "blocks is '0'", "from 1 to"),
        (json.dumps({**GOOD, "blocks": True}), "blocks is 'True'", "from 1 to"),
        (json.dumps({**GOOD, "priority": 101}), "priority is '101'", "from 0 to 100"),
        (json.dumps({name: GOOD[name] for name in GOOD if name != "team"}), "team is missing", "1 to 200"),
        (json.dumps({**GOOD, "block_s": 0}), "block_s is '0'", "at least 0.0001"),
        (json.dumps({**GOOD, "deadline": 1.0}), "deadline is '1.0'", "at least 1.5"),
        ('{"at": 1, "event": "worker_gone", "slot": 0}', "'worker_gone' is unknown", "worker_lost or worker_back"),
        ('{"at": 1, "event": "worker_lost", "slot": -1}', "slot is '-1'", "from 0"),
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


@pytest.mark.parametrize("kind", KINDS)
def test_synthetic_day_is_the_same_for_the_same_seed_and_survives_a_file(kind: str, tmp_path: Path) -> None:
    made = synthetic_trace(kind, slots=2, jobs=60, seed=5)
    assert made == synthetic_trace(kind, slots=2, jobs=60, seed=5) != synthetic_trace(kind, slots=2, jobs=60, seed=6)
    (tmp_path / "day.jsonl").write_text("\n".join(made.to_lines()), encoding="utf-8")
    read = read_trace(tmp_path / "day.jsonl")
    assert [job.id for job in read.jobs] == [job.id for job in made.jobs] and len(read.faults) == len(made.faults)
    assert read.jobs[-1].at == pytest.approx(made.jobs[-1].at, abs=0.001)
