"""The parts of the fault `clock_jump`: which jumps there are, the clock of a house, and what is done without the library."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from scheduler.chaos import faults
from scheduler.chaos.clock_jump import _NEGATIVE, BEFORE_S, course, zone_changes
from scheduler.chaos.wall_clock import LIBRARY, NO_LIBRARY, WallClock, find_library

NOW = datetime(2026, 10, 20, 9, 30, tzinfo=UTC).timestamp()
BERLIN = ZoneInfo("Europe/Berlin")


def test_jumps_go_both_ways_and_past_midnight_and_both_changes_of_the_zone() -> None:
    jumps = list(course(NOW))
    assert [ahead_s for _, ahead_s in jumps[:3]] == [3600, 0, -3600] and jumps[-1][1] == 0
    moments = [datetime.fromtimestamp(NOW + ahead_s + BEFORE_S, UTC) for _, ahead_s in jumps[3:-1]]
    assert moments == [
        datetime(2026, 10, 21, tzinfo=UTC), datetime(2026, 10, 20, 22, tzinfo=UTC),
        datetime(2026, 10, 25, 1, tzinfo=UTC), datetime(2027, 3, 28, 1, tzinfo=UTC),
    ]  # fmt: skip


def test_zone_without_summer_time_has_no_changes() -> None:
    assert zone_changes(NOW, ZoneInfo("Asia/Shanghai")) == []
    assert len(zone_changes(NOW, BERLIN)) == 2


def test_without_the_library_the_fault_is_not_tried_and_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_library([str(tmp_path)]) is None
    (tmp_path / LIBRARY).touch()
    assert find_library([str(tmp_path)]) == tmp_path / LIBRARY
    monkeypatch.setattr(faults, "find_library", lambda: None)
    outcome = faults.run_fault("clock_jump", "fake")
    assert (outcome.was_tried, outcome.reason) == (False, NO_LIBRARY)
    assert "apt-get install faketime" in outcome.reason


@pytest.mark.parametrize(
    ("text", "is_found"), [("<td>-3600 s</td>", True), (" −2.5 min", True), ("<td>3600 s</td>", False), ("5-10 s", False)]
)  # fmt: skip
def test_durations_below_zero_are_seen(text: str, is_found: bool) -> None:
    assert (_NEGATIVE.search(text) is not None) is is_found


@pytest.mark.skipif(find_library() is None, reason=NO_LIBRARY)
def test_clock_of_a_house_jumps_while_its_processes_run_and_sleep_as_long_as_before(tmp_path: Path) -> None:
    library = find_library()
    assert library is not None
    clock = WallClock(tmp_path, library)
    program = (
        "import time\nfor _ in range(3):\n input(); began = time.monotonic(); time.sleep(0.01)\n"
        " print(time.time(), began, time.monotonic() - began >= 0.01, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], env={**os.environ, **clock.environment}, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    with process:
        for ahead_s in (0, 3600, -3600):
            clock.set(ahead_s)
            process.stdin.write("\n")
            process.stdin.flush()
            wall, monotonic, has_slept = process.stdout.readline().split()
            assert float(wall) - time.time() == pytest.approx(ahead_s, abs=60.0)
            assert float(monotonic) == pytest.approx(time.monotonic(), abs=60.0) and has_slept == "True"
