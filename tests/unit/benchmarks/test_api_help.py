"""The long benchmark says how long it takes, and keeps stdout for its result."""

from __future__ import annotations

import pytest

from benchmarks import api


def test_help_says_how_long_the_benchmark_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        api.main(["--help"])
    assert ended.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"take {api.length_s(api.DEFAULT_JOBS):.0f} s" in shown
    assert api.length_s(800) == (1600 + api.WARM_UP) / api.PACE_PER_S


def test_progress_is_told_beside_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    api.tell("round 1 of 2")
    assert capsys.readouterr() == ("", "benchmarks.api: round 1 of 2\n")
