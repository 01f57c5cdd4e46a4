"""`role_scheduler chaos` before anything is started: what it refuses, and with which way out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scheduler.chaos.faults import FAULTS
from scheduler.cli import chaos
from scheduler.cli.exits import ExitCode


def refusal(*words: str) -> dict[str, str]:
    """The error that the command answers with."""
    done = subprocess.run([sys.executable, "-m", "scheduler.cli", "chaos", "--json", *words], capture_output=True, text=True)
    assert done.returncode == ExitCode.WRONG_USAGE, done
    error: dict[str, str] = json.loads(done.stdout)["error"]
    return error


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        (("--engine", "toy"), "real or fake"),
        (("--kinds", "worker,ghost"), "launcher, daemon, web"),
        (("--points", "inside_decode"), "inside_step"),  # the scripted engine has no such point
        (("--kills", "3"), "--points none"),
        (("--kills", "70", "--houses", "2"), "--kills 72"),  # each house strikes everything
    ],
)
def test_what_chaos_cannot_do_is_refused_with_the_way_out(words: tuple[str, ...], way_out: str) -> None:
    assert way_out in refusal(*words)["hint"]


def test_chaos_never_goes_where_something_lies(tmp_path: Path) -> None:
    (tmp_path / "greenroom.db").write_text("somebody's house")
    assert refusal("--data-dir", str(tmp_path))["field"] == "data-dir"
    assert [path.name for path in tmp_path.iterdir()] == ["greenroom.db"]


def test_command_line_knows_every_fault_that_can_be_played() -> None:
    assert set(chaos._FAULTS) == {"kills", *FAULTS}
