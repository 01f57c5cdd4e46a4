"""Whose process it is: houses of one run lie side by side, and each counts its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scheduler.chaos.census import Resident, is_afterwards, media_workers
from scheduler.chaos.house import ChaosHouse


def test_media_workers_of_house_20_are_not_those_of_house_2(tmp_path: Path) -> None:
    houses = [ChaosHouse(tmp_path / name, "fake") for name in ("house-2", "house-20")]
    code = "import sys; print('up', flush=True); sys.stdin.read()"
    argv = [sys.executable, "-c", code, "engine.media", str(tmp_path / "house-20" / "portrait.png")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"up\n"
        found = [[one.pid for one in media_workers(house)] for house in houses]
        process.communicate()
    assert found == [[], [process.pid]]


@pytest.mark.parametrize(
    ("command", "is_so"),
    [
        ("python -m engine.media.quality var/jobs/j1/video.mp4", True),
        ("python -m engine.media one --output var/jobs/j2/session.mp4 var/jobs/j1/video.mp4", True),
        ("python -m engine.media probe --kind voice a.wav", False), ("python -m engine.worker", False),
    ],
)  # fmt: skip
def test_quiet_house_may_measure_videos_and_join_sessions_and_nothing_else(command: str, is_so: bool) -> None:
    assert is_afterwards(Resident(1, 1, command)) is is_so
