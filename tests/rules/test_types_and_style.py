"""The tools that read all code: ruff everywhere, mypy --strict where a mistake would be costly."""

from __future__ import annotations

import subprocess
import sys

from tests.rules.sources import ROOT

STRICT = ("scheduler/core", "engine/protocol", "scheduler/client.py", "scheduler/transport.py")


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True)


def test_ruff_finds_nothing_to_complain_about() -> None:
    done = _run("ruff", "check", "--output-format", "concise", ".")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr


def test_core_protocol_and_client_are_strictly_typed() -> None:
    done = _run("mypy", "--strict", *STRICT)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
