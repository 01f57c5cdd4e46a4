"""All checks together, in their own process: one that hangs or breaks costs its own answer only."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from string import Formatter

import pytest

from scheduler.doctor.examination import EXAMINATIONS, NAMES, examine
from scheduler.doctor.finding import REMEDIES, WORDS
from scheduler.doctor.subject import Subject
from scheduler.plan.check import UNKNOWN

ROOT = Path(__file__).resolve().parents[4]
USED = re.compile(r'"([a-z]+(?:_[a-z]+)*)"')


def test_check_that_hangs_is_given_up_and_the_next_ones_go_on(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    os.mkfifo(tmp_path / "run" / "processes.jsonl")  # whoever opens it waits for a writer that never comes
    findings = list(examine(Subject(data_dir=tmp_path), ("leftovers", "clock", "zone"), limit_s=4))
    assert [(one.name, one.state == UNKNOWN) for one in findings] == [("leftovers", True), ("clock", True), ("zone", False)]
    assert "no answer within 4 s" in findings[0].text and findings[0].remedy
    assert "because leftovers hung" in findings[1].text, "whoever looks into that directory would hang, too"


def test_check_that_breaks_says_why_and_the_next_ones_go_on(tmp_path: Path) -> None:
    (tmp_path / "run" / "processes.jsonl").mkdir(parents=True)
    findings = list(examine(Subject(data_dir=tmp_path), ("leftovers", "zone")))
    assert [(one.name, one.state == UNKNOWN) for one in findings] == [("leftovers", True), ("zone", False)]
    assert "IsADirectoryError" in findings[0].text and findings[0].remedy


def test_answer_stops_with_its_reader(tmp_path: Path) -> None:
    answers = examine(Subject(data_dir=tmp_path))
    assert next(answers).name == "house"
    answers.close()


def test_whole_examination_of_a_new_directory_changes_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scheduler.cli", "doctor", "--data", str(tmp_path / "var"), "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    report = json.loads(done.stdout)
    assert done.returncode == report["exit_code"], done.stderr
    names = {check["name"] for check in report["checks"]}
    assert {"house", "leftovers", "data directory", "free space", "model files", "disk speed", "driver", "packages"} <= names
    assert not [check for check in report["checks"] if check["state"] != "ok" and not (check["remedy"] and check["remedy_zh"])]
    assert not list(tmp_path.iterdir())


def test_unknown_model_is_wrong_usage() -> None:
    command = [sys.executable, "-m", "scheduler.cli", "doctor", "--model", "nothing"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 64 and "pocket" in done.stderr


def test_names_of_checks_are_different() -> None:
    assert len(set(NAMES)) == len(EXAMINATIONS)


@pytest.mark.parametrize("code", sorted(WORDS))
def test_both_languages_say_the_same_figures_and_every_sentence_is_used(code: str) -> None:
    def fields(text: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    assert fields(WORDS[code]["en"]) == fields(WORDS[code]["zh"])
    if code in REMEDIES:
        assert fields(REMEDIES[code]["en"]) == fields(REMEDIES[code]["zh"])
    sources = "".join(path.read_text() for path in (ROOT / "scheduler" / "doctor").glob("*.py") if "words" not in path.name)
    assert code in USED.findall(sources) or code.startswith("speed_"), f"nobody says {code}"


def test_remedies_belong_to_sentences() -> None:
    assert set(REMEDIES) <= set(WORDS)
