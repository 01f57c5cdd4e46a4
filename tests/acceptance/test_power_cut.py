"""The power-cut rig on a real daemon, small: nothing that was acknowledged is lost, and what is wrong on purpose is noticed."""

from __future__ import annotations

import json
import shutil

import pytest

from benchmarks.power_cut import main


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace to see what the daemon asks of the kernel")
def test_power_cut_loses_nothing_and_the_rig_notices_a_store_that_does_not_wait_for_the_disk(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--json", "--images", "60", "--modes", "full", "normal"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["images"] == 60 and report["wrong_images_as_shipped"] == {}
    assert report["seen_of_what_is_wrong_on_purpose"]["normal"] >= 5
