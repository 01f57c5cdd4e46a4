"""What `again` says of two videos: equal, or different and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from scheduler.cli.again import _say_report, compare, rebuilt
from scheduler.core.actions import MoveJob
from scheduler.core.job import JobState
from tests.unit.scheduler.store_rig import AT, READER, accept, block, go, writer


def _played(data_dir: Path, resume: str) -> list[str]:
    """Two jobs of one block each; the first was taken up like this, and its frames differ."""
    with writer(data_dir) as store:
        jobs = [accept(store, 1), accept(store, 2)]
        for job_id, how, frames in ((jobs[0], resume, "b"), (jobs[1], "fresh", "d")):
            go(store, "SUBMITTED", "QUEUED", "LEASED", job_id=job_id)
            with store.transaction():
                start = MoveJob(job_id, JobState.LEASED, JobState.RUNNING, "job:started", {"resume": how}, {"resume": how})
                store.move_job(start, READER, AT)
                store.insert_block(block(0, job_id, frames_sha256=frames * 64))
    return jobs


@pytest.mark.parametrize(("resume", "is_named"), [("continuous", True), ("exact", False)])
def test_difference_of_a_rebuilt_job_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], resume: str, is_named: bool
) -> None:
    first, second = _played(tmp_path, resume)
    report = compare(tmp_path, first, second)
    assert (report["is_equal"], [row["block"] for row in report["different"]]) == (False, [0])
    report["rebuilt"] = rebuilt(tmp_path, [first, second])
    assert report["rebuilt"] == ([first] if is_named else [])
    _say_report(report)
    assert (f"{first} lost its context" in capsys.readouterr().out) is is_named
