"""`session show`: parts, where the video lies, copies of it, and exit codes. (`start` needs a daemon.)"""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scheduler.cli import session
from scheduler.cli.app import app
from tests.unit.scheduler.store_rig import AT, writer
from tests.unit.scheduler.test_store_joined import fail, keep, relay


def show(data_dir: Path, *words: str) -> Any:
    return CliRunner().invoke(app, ["session", "show", *words, "--data", str(data_dir)])


@pytest.fixture
def ids(tmp_path: Path) -> list[str]:
    """A session of three parts whose video is there."""
    with writer(tmp_path) as store:
        ids = relay(store, "SUCCEEDED", "SUCCEEDED", "SUCCEEDED")
        keep(store, ids)
    video = tmp_path / "jobs" / ids[-1] / "session.mp4"
    video.parent.mkdir(parents=True)
    video.write_bytes(b"a video")
    return ids


def test_session_is_shown_from_any_part_and_copied(tmp_path: Path, ids: list[str]) -> None:
    for job_id in ids:
        done = show(tmp_path, job_id)
        assert done.exit_code == 0 and f"one video of 1.44 s (as they are): {tmp_path}/jobs/{ids[-1]}/session.mp4" in done.stdout
        assert all(one in done.stdout for one in ids) and "0.96 s" in done.stdout
    copy = tmp_path / "new" / "relay.mp4"
    assert show(tmp_path, ids[0], "--output", str(copy)).exit_code == 0 and copy.read_bytes() == b"a video"
    told = show(tmp_path, ids[0], "--json", "--output", str(copy))
    found = json.loads(told.stdout)
    assert (found["id"], found["joined"]["state"], [part["id"] for part in found["parts"]]) == (ids[0], "joined", ids)


def test_output_is_whole_or_what_it_was(tmp_path: Path, ids: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def run_out_of_room(_: Path, target: Path) -> None:
        Path(target).write_bytes(b"a vi")
        raise OSError(errno.ENOSPC, "No space left on device")

    older = tmp_path / "relay.mp4"
    older.write_bytes(b"an older one")
    monkeypatch.setattr(session.shutil, "copyfile", run_out_of_room)
    done = show(tmp_path, ids[0], "--output", str(older))
    assert done.exit_code == 1 and "cannot be written: No space left" in done.stderr
    assert older.read_bytes() == b"an older one" and [path.name for path in tmp_path.glob("*.part")] == []


def test_output_that_cannot_be_written_fails_and_says_where_the_video_is(tmp_path: Path, ids: list[str]) -> None:
    (tmp_path / "file").write_text("")
    done = show(tmp_path, ids[0], "--output", str(tmp_path / "file" / "relay.mp4"))
    assert done.exit_code == 1 and "cannot be written" in done.stderr and "session.mp4" in done.stderr
    assert show(tmp_path, ids[0], "--output", str(tmp_path)).exit_code == 64
    same = tmp_path / "jobs" / ids[-1] / "session.mp4"
    done = show(tmp_path, ids[0], "--output", str(same))
    assert done.exit_code == 0 and same.read_bytes() == b"a video", "it is there already"
    same.unlink()
    done = show(tmp_path, ids[0], "--output", str(tmp_path / "relay.mp4"))
    assert done.exit_code == 1 and "not there any more" in done.stderr and not (tmp_path / "relay.mp4").exists()


@pytest.mark.parametrize(
    ("ends", "says"),
    [
        (("SUCCEEDED", "FAILED"), "j000000000002 ended as FAILED: there will be no video of all parts"),
        (("SUCCEEDED", ""), "not one video yet"), (("SUCCEEDED", "SUCCEEDED"), "not one video yet"),
    ],
)  # fmt: skip
def test_session_without_a_video_says_why(tmp_path: Path, ends: tuple[str, ...], says: str) -> None:
    with writer(tmp_path) as store:
        ids = relay(store, *ends)
    assert says in show(tmp_path, ids[0]).stdout and show(tmp_path, ids[0]).exit_code == 0
    assert show(tmp_path, ids[0], "--output", str(tmp_path / "relay.mp4")).exit_code == 1
    done = show(tmp_path, ids[0], "--output", str(tmp_path / "relay.mp4"), "--json")
    assert done.exit_code == 1 and json.loads(done.stdout)["joined"] is None


def test_failed_joining_is_told_with_what_comes_next(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        ids = relay(store, "SUCCEEDED", "SUCCEEDED")
        fail(store, ids, AT)
    assert "not one video: It is gone. (it is tried once more)" in show(tmp_path, ids[0]).stdout
    with writer(tmp_path) as store:
        fail(store, ids, AT)
    assert "(it is not tried again)" in show(tmp_path, ids[0]).stdout


def test_job_alone_is_no_session(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        (alone,) = relay(store, "SUCCEEDED")
    done = show(tmp_path, alone)
    assert done.exit_code == 64 and f"{alone} is no part of a session." in done.stderr
