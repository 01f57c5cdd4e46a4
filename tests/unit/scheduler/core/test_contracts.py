"""The core's promises to others: pure imports, documents that agree with the tables, a benchmark that runs."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import pytest

from benchmarks import core as benchmark
from benchmarks import fairness
from engine.catalog import BLOCK_SECONDS
from scheduler.core import admission, events, machine, pictures
from scheduler.core.job import FINAL_STATES, LEGAL_MOVES, OWNED_STATES, JobState

ALLOWED = {"__future__", "bisect", "collections", "dataclasses", "difflib", "enum", "heapq", "itertools", "math", "typing"}


def test_core_imports_nothing_that_has_a_clock_a_disk_or_chance(repo_root: Path) -> None:
    for path in sorted((repo_root / "scheduler" / "core").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                assert name.split(".")[0] in ALLOWED or name.startswith("scheduler.core"), f"{path.name} imports {name}"


def test_core_knows_how_long_a_block_plays_without_importing_the_engine() -> None:
    assert admission.BLOCK_SECONDS == BLOCK_SECONDS


def test_core_is_imported_without_the_rest_of_the_house() -> None:
    assert "scheduler.core.machine" in sys.modules
    assert not [name for name in vars(machine) if name in ("time", "random", "threading", "logging")]


def test_every_event_has_its_handler() -> None:
    kinds = {
        kind for kind in vars(events).values()
        if isinstance(kind, type) and issubclass(kind, events.Event) and kind is not events.Event
    }  # fmt: skip
    assert kinds == set(machine.HANDLERS)


def test_final_states_have_no_way_out_and_all_others_have_one() -> None:
    assert set(LEGAL_MOVES) == set(JobState)
    assert {state for state, targets in LEGAL_MOVES.items() if not targets} == FINAL_STATES
    reached = {target for targets in LEGAL_MOVES.values() for target in targets}
    assert reached == set(JobState) - {JobState.SUBMITTED}
    assert {state for state, targets in LEGAL_MOVES.items() if JobState.QUEUED in targets} >= OWNED_STATES


def test_document_of_scheduling_agrees_with_the_tables(repo_root: Path) -> None:
    text = (repo_root / "docs" / "scheduling.md").read_text(encoding="utf-8")
    found = text[text.index(pictures.BEGIN) : text.index(pictures.END) + len(pictures.END)]
    assert found == pictures.generated(), "put the output of `python -m scheduler.core.pictures` between the markers"


def test_document_of_healing_agrees_with_the_table(repo_root: Path) -> None:
    text = (repo_root / "docs" / "healing.md").read_text(encoding="utf-8")
    found = text[text.index(pictures.BEGIN) : text.index(pictures.END) + len(pictures.END)]
    assert found == pictures.healing_table(), "put the output of `python -m scheduler.core.pictures` between the markers"


def test_picture_shows_every_legal_move_and_no_other() -> None:
    lines = pictures.move_picture(LEGAL_MOVES, JobState.SUBMITTED).splitlines()
    shown = {tuple(line.split(" --> ")) for line in map(str.strip, lines) if "-->" in line and "[*]" not in line}
    assert shown == {(source.value, target.value) for source, targets in LEGAL_MOVES.items() for target in targets}


def test_benchmark_prints_goal_and_reached(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["--json", "--events", "1", "--queued", "200", "--decisions", "200"]
    monkeypatch.setattr(benchmark, "ROUND_EVENTS", 500)
    monkeypatch.setattr(benchmark, "GOAL_EVENTS_PER_MINUTE", 1)
    monkeypatch.setattr(benchmark, "GOAL_P99_MS", 1e9)
    assert benchmark.main(arguments) == 0
    report = json.loads(capsys.readouterr().out)
    assert [result["name"] for result in report["results"]] == ["events_per_minute", "decision_p99_ms"]
    assert all(result["is_reached"] and result["reached"] for result in report["results"])
    monkeypatch.setattr(benchmark, "GOAL_EVENTS_PER_MINUTE", 10**12)
    assert benchmark.main(arguments) == 1


def test_comparison_with_other_orders_prints_goal_and_reached(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fairness, "KINDS", ("preemption",))
    assert fairness.main(["--json", "--jobs", "150", "--seeds", "1", "--slots", "1", "4"]) in (0, 1)
    report = json.loads(capsys.readouterr().out)
    assert [result["name"] for result in report["results"]] == [
        "urgent_wait_in_its_victims_block", "urgent_p99_wait_in_p99_blocks", "mean_wait_of_others_to_fifo",
        "service_of_equal_teams", "passed_beyond_the_bound_s",
    ]  # fmt: skip
    assert report["results"][4]["is_reached"], "the bound on waiting"
    assert [(row["slots"], row["seed"]) for row in report["traces"]] == [(1, 1), (4, 1)]
    assert set(report["traces"][0]["mean_wait_s"]) == {"standard", "fifo", "priority", "shortest"}
    monkeypatch.setattr(fairness, "GOAL_MEAN", 0.0)
    assert fairness.main(["--jobs", "150", "--seeds", "1", "--slots", "4", "--orderings", "fifo"]) == 1
    assert "mean_wait_of_others_to_fifo" in capsys.readouterr().out


def test_a_goal_of_fairness_that_nothing_was_measured_for_is_not_reached(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fairness, "KINDS", ("bursts",))  # nobody is urgent
    assert fairness.main(["--jobs", "60", "--seeds", "1", "--slots", "4", "--orderings", "fifo"]) == 1
    assert "urgent_wait_in_its_victims_block: worst of 0 0.0, median 0.0 (goal 1.0) MISSED: nothing" in capsys.readouterr().out
