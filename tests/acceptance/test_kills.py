"""kill -9 of every kind of process in the middle of a job: the job ends with the right frames, and nothing is left behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.catalog import BLOCK_FRAMES
from engine.worker.crash_points import CrashPoint
from scheduler import audit
from tests.acceptance.gate import Gate, be_patient
from tests.acceptance.studio import Studio, until

Make = Callable[..., Studio]


def check_story(studio: Studio, job_id: str) -> None:
    """Each block once and in order, the promised frames, one finished video, an audit that verifies."""
    job = studio.job(job_id)
    assert job["state"] == "SUCCEEDED", job["error_message"]
    assert [row["block"] for row in studio.reader.blocks(job_id)] == list(range(job["total_blocks"]))
    assert job["frames"] == job["total_blocks"] * BLOCK_FRAMES
    assert (studio.data_dir / job["video_path"]).stat().st_size == job["video_bytes"]
    assert audit.verify(studio.data_dir).code == 0


def wait_until_told_to_give_way(studio: Studio, job_id: str) -> None:
    """Until the job's worker was told that another is wanted more."""
    until(lambda: "job:preempting" in [entry["action"] for entry in studio.reader.story(job_id)], f"the preemption of {job_id}")


@pytest.fixture
def slow_script(tmp_path: Path) -> dict[str, str]:
    """Blocks long enough to be killed in the middle of one."""
    path = tmp_path / "script.json"
    path.write_text(json.dumps({"block_s": 0.15}))
    return {"GREENROOM_FAKE_SCRIPT": str(path)}


@pytest.mark.parametrize("kind", ["worker", "vault", "daemon", "web", "launcher"])
def test_job_survives_kill_9_of(kind: str, make_studio: Make, slow_script: dict[str, str]) -> None:
    studio = make_studio("fake", slow_script)
    job_id = studio.door.request_role("education-team", "teacher")["id"]
    studio.wait_for_blocks(job_id, 2)
    studio.kill(kind)
    if kind == "launcher":
        studio.start()
    studio.wait_for_end(job_id)
    check_story(studio, job_id)
    assert studio.stop() == 0


@dataclass(frozen=True)
class RealStudio:
    """A studio with the real engine, for all tests of this file: warming up takes long. `whole` is a job left in peace."""

    studio: Studio
    whole: str
    gate: Gate


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealStudio]:
    home = tmp_path_factory.mktemp("real")
    gate = Gate(home / "orders")
    be_patient(home)
    studio = Studio(home, "real", gate.env)
    try:
        studio.start()
        whole = studio.door.request_role("education-team", "teacher", duration_sec=3.2)["id"]  # 7 blocks, cut at a pause
        studio.wait_for_end(whole)
        check_story(studio, whole)
        yield RealStudio(studio, whole, gate)
        assert studio.stop() == 0
    finally:
        studio.end()


def held_after_blocks(real: RealStudio, count: int) -> str:
    """The whole job again, held after so many blocks."""
    real.gate.close(CrashPoint.AFTER_BLOCK_DONE)
    job_id: str = real.studio.door.again(real.whole)["id"]
    real.gate.hold_after_blocks(count)
    real.studio.wait_for_blocks(job_id, count)
    return job_id


def check_same_frames(real: RealStudio, job_id: str) -> None:
    """The job ends as the one left in peace did."""
    real.studio.wait_for_end(job_id)
    check_story(real.studio, job_id)
    assert real.studio.hashes(job_id) == real.studio.hashes(real.whole)
    assert real.studio.job(job_id)["resume"] in ("exact", "fresh")


@pytest.mark.parametrize("kind", ["worker", "vault"])
def test_real_engine_makes_the_same_frames_after_kill_9_of(kind: str, real: RealStudio) -> None:
    job_id = held_after_blocks(real, 3)
    real.studio.kill(kind)
    real.gate.open(CrashPoint.AFTER_BLOCK_DONE)
    check_same_frames(real, job_id)


def test_real_engine_makes_the_same_frames_after_kill_9_of_the_daemon_and_a_hang(real: RealStudio) -> None:
    studio, gate = real.studio, real.gate

    def hangs() -> list[str]:
        return [heal["state"] for heal in studio.reader.heals() if heal["fault"] == "hung_step"]

    job_id = held_after_blocks(real, 3)
    gate.close(CrashPoint.BEFORE_CONTEXT)
    be_patient(studio.data_dir.parent, 2.0)  # for the next lease: whoever has one keeps the deadline that it came with
    studio.kill("daemon")
    gate.held(CrashPoint.BEFORE_CONTEXT)  # the next worker: the one before went with its daemon
    gate.close(CrashPoint.BEFORE_STEP)
    for point in (CrashPoint.AFTER_BLOCK_DONE, CrashPoint.BEFORE_CONTEXT):
        gate.open(point)
    gate.held(CrashPoint.BEFORE_STEP)  # a step that ends no more, under a heart that beats
    be_patient(studio.data_dir.parent)
    check_same_frames(real, job_id)
    assert hangs() == ["recovered"]


def test_preempted_job_resumes_with_the_same_frames(real: RealStudio) -> None:
    studio = real.studio
    low = held_after_blocks(real, 2)
    urgent = studio.door.request_role("market-team", "presenter", priority=100)["id"]
    wait_until_told_to_give_way(studio, low)
    real.gate.open(CrashPoint.AFTER_BLOCK_DONE)
    studio.wait_for_end(low)
    assert studio.job(low)["preemptions"] == 1
    assert studio.job(urgent)["finished_at"] < studio.job(low)["finished_at"]
    assert studio.hashes(low) == studio.hashes(real.whole)
    check_story(studio, low)
    check_story(studio, urgent)
