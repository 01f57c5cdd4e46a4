"""Blow upon blow on a running studio: repeated kills, poison, broken files, a full disk. Nothing accepted is lost."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine.worker.crash_points import CrashPoint
from scheduler.errors import SchedulerError
from tests.acceptance.gate import Gate
from tests.acceptance.studio import Studio, until
from tests.acceptance.test_kills import check_story

Make = Callable[..., Studio]


class Script:
    """The scripted engine's script; workers that start after a change follow it."""

    def __init__(self, home: Path) -> None:
        self._path = home / "script.json"
        self.env = {"GREENROOM_FAKE_SCRIPT": str(self._path)}
        self.write(block_s=0.1)

    def write(self, **script: Any) -> None:
        """Replace it."""
        self._path.write_text(json.dumps(script))

    def spoil(self) -> None:
        """A script that no worker can read: each ends at its start."""
        self._path.write_text("{")


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """A script with short blocks."""
    return Script(tmp_path)


def renew_workers(studio: Studio) -> None:
    """SIGKILL all workers, and wait for a new one. None is just being started meanwhile: a standby is there."""

    def all_there() -> list[int]:
        found = [process.pid for process in studio.processes("worker")]
        return found if len(found) > studio.slots else []

    old = until(all_there, "workers and a standby")
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    until(lambda: studio.slot()["pid"] not in (None, *old), "a new worker")


def stop_active(studio: Studio) -> None:
    """SIGSTOP the worker that has the slot, and wait for its successor: the daemon kills who is silent."""
    pid = until(lambda: studio.slot()["pid"], "a worker")
    os.kill(pid, signal.SIGSTOP)
    until(lambda: studio.slot()["pid"] not in (None, pid), "its successor")


def restart_daemon(studio: Studio, number: signal.Signals) -> None:
    """End the daemon by a signal and wait until the next one answers and has a worker."""
    (old,) = [process.pid for process in studio.processes("daemon")]
    os.kill(old, number)
    until(lambda: old not in [process.pid for process in studio.processes("daemon")], "the daemon's end")
    studio.wait_until_ready()


def test_job_survives_many_kills_in_a_row(make_studio: Make, script: Script, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "orders")
    studio = make_studio("fake", {**script.env, **gate.env})
    gate.close(CrashPoint.AFTER_BLOCK_DONE)
    job_id = studio.door.request_role("market-team", "presenter", duration_sec=10, fill="loop")["id"]
    for _ in range(6):
        gate.hold_after_blocks(2)  # of this worker
        gate.close(CrashPoint.AFTER_BLOCK_DONE)
        gate.kill(CrashPoint.AFTER_BLOCK_DONE)
    gate.held(CrashPoint.AFTER_BLOCK_DONE)
    gate.open(CrashPoint.AFTER_BLOCK_DONE)
    assert studio.slot()["failures"] == 0, "workers that made blocks are no crash loop"
    for _ in range(2):
        restart_daemon(studio, signal.SIGKILL)
    for kind in ("worker", "vault", "daemon"):
        studio.kill(kind)
    studio.wait_for_end(job_id)
    check_story(studio, job_id)
    assert studio.stop() == 0


def test_orderly_restart_of_the_daemon_is_no_crash_of_its_job(make_studio: Make, script: Script) -> None:
    studio = make_studio("fake", script.env)
    script.write(block_s=3.0)
    renew_workers(studio)
    job_id = studio.door.request_role("education-team", "teacher")["id"]
    until(lambda: studio.slot()["job_id"], "the job on the slot")
    restart_daemon(studio, signal.SIGTERM)
    assert studio.job(job_id)["crashes"] == 0
    script.write(block_s=0.05)
    renew_workers(studio)
    studio.wait_for_end(job_id)
    check_story(studio, job_id)


def test_poison_job_fails_with_its_story_and_others_go_on(make_studio: Make, script: Script) -> None:
    studio = make_studio("fake", script.env)
    studio.door.pause_queue("the job's poison is not in the script yet")
    poison = studio.door.request_role("education-team", "teacher")["id"]
    script.write(block_s=0.05, faults=[{"do": "crash", "job": poison, "block": 2, "times": 99}])
    renew_workers(studio)
    studio.door.resume_queue()
    other = studio.door.request_role("market-team", "presenter")["id"]
    assert studio.wait_for_end(poison)["error_code"] == "poison_job"
    studio.wait_for_end(other)
    check_story(studio, other)


def test_workers_that_end_at_their_start_are_tried_again_at_growing_intervals(make_studio: Make, script: Script) -> None:
    studio = make_studio("fake", script.env)
    script.spoil()
    for process in studio.processes("worker"):
        os.kill(process.pid, signal.SIGKILL)
    job_id = studio.door.request_role("education-team", "teacher")["id"]
    until(lambda: studio.slot()["failures"] >= 4, "a crash loop")
    assert "script.json" in studio.slot()["last_error"], "what was wrong, not only that it ended"
    assert studio.job(job_id)["state"] == "QUEUED"
    script.write(block_s=0.05)
    studio.wait_for_end(job_id)
    check_story(studio, job_id)


def test_role_switch_on_a_worker_that_is_lost_is_answered(make_studio: Make, script: Script) -> None:
    script.write(prepare_s=600)  # whoever is asked is at it until it is lost
    studio = make_studio("fake", script.env)
    with ThreadPoolExecutor(1) as pool:
        switching = pool.submit(studio.door.switch_role, "presenter")
        while not switching.done():
            stop_active(studio)
    with pytest.raises(SchedulerError) as caught:
        switching.result()
    assert (caught.value.status, caught.value.code) == (503, "worker_lost")


def test_what_keeps_the_daemon_from_starting_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "greenroom.db").write_text("this is no database, but long enough to be looked at " * 20)
    studio = Studio(tmp_path, "fake")
    with pytest.raises(AssertionError) as caught:
        studio.start()
    said = str(caught.value)
    assert re.search(r"^The daemon ended with code 76 at once\. The database is damaged .* \(see .*\)$", said, re.MULTILINE)
    assert "Traceback" not in said
    assert studio.launcher is not None
    assert studio.launcher.wait(60) == 71
    assert studio.processes() == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A data directory on a file system of its own."""
    data_dir = tmp_path / "var"
    data_dir.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=240m", "tmpfs", str(data_dir)], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    yield data_dir
    subprocess.run(["umount", "--lazy", str(data_dir)], check=True)


def test_full_disk_refuses_wishes_and_work_goes_on_when_there_is_room(
    small_disk: Path, make_studio: Make, script: Script
) -> None:
    script.write(block_s=0.3)
    studio = make_studio("fake", script.env)
    job_id = studio.door.request_role("education-team", "teacher")["id"]
    studio.wait_for_blocks(job_id, 1)
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space left"), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 14))
    refusal = until(lambda: _refusal(studio), "a refused wish")
    assert (refusal.status, refusal.code) == (507, "disk_full")
    for kind in ("worker", "vault", "daemon"):
        for process in studio.processes(kind):
            with contextlib.suppress(ProcessLookupError):  # a worker goes with its vault or its daemon
                os.kill(process.pid, signal.SIGKILL)
    until(lambda: "daemon ended with code 76: The disk is full" in studio.said, "the reason in the launcher's words")
    assert studio.launcher is not None and studio.launcher.poll() is None
    ballast.unlink()
    studio.wait_for_end(job_id)
    check_story(studio, job_id)
    assert studio.stop() == 0


def _refusal(studio: Studio) -> SchedulerError | None:
    try:
        studio.door.request_role("market-team", "presenter", priority=0)
    except SchedulerError as error:
        return error
    return None
