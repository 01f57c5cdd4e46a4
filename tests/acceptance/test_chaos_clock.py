"""A house whose wall clock jumps by hours and months while it works: nothing is lost, late, early or nonsense."""

from __future__ import annotations

import pytest

from scheduler.chaos.faults import run_fault


def test_wall_clock_that_jumps_under_a_working_house_decides_nothing() -> None:
    outcome = run_fault("clock_jump", "fake")
    if not outcome.was_tried:
        pytest.skip(outcome.reason)
    assert outcome.findings == []
