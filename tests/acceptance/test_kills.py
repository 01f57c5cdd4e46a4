"""kill -9 of every kind of process in the middle of a job: the job ends with the right frames, and nothing is left behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.catalog import BLOCK_FRAMES
from engine.worker.crash_points import ORDERS_VARIABLE, TAKEN, CrashPoint
from scheduler import audit
from tests.acceptance.studio import Studio

Make = Callable[..., Studio]


def check_story(studio: Studio, job_id: str) -> None:
    """Each block once and in order, the promised frames, one finished video, an audit that verifies."""
    job = studio.job(job_id)
    assert job["state"] == "SUCCEEDED", job["error_message"]
    assert [row["block"] for row in studio.reader.blocks(job_id)] == list(range(job["total_blocks"]))
    assert job["frames"] == job["total_blocks"] * BLOCK_FRAMES
    assert (studio.data_dir / job["video_path"]).stat().st_size == job["video_bytes"]
    assert audit.verify(studio.data_dir).code == 0


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
    orders: Path


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealStudio]:
    home = tmp_path_factory.mktemp("real")
    orders = home / "orders"
    (orders / TAKEN).mkdir(parents=True)
    (home / "var").mkdir()
    (home / "var" / "policy.yaml").write_text("faults:\n  hung_step: {floor_s: 1}\n  heartbeat_lost: {floor_s: 60}\n")
    studio = Studio(home, "real", {ORDERS_VARIABLE: str(orders)})
    try:
        studio.start()
        whole = studio.door.request_role("education-team", "teacher", duration_sec=3.2)["id"]  # 7 blocks, cut at a pause
        studio.wait_for_end(whole)
        check_story(studio, whole)
        yield RealStudio(studio, whole, orders)
        assert studio.stop() == 0
    finally:
        studio.end()


def test_real_engine_makes_the_same_frames_whatever_is_killed_or_hangs(real: RealStudio) -> None:
    studio = real.studio
    for kind in ("worker", "vault", "daemon"):
        job_id = studio.door.again(real.whole)["id"]
        studio.wait_for_blocks(job_id, 3)
        studio.kill(kind)
        if kind == "daemon":  # and then a step that ends no more, under a heart that beats
            (real.orders / CrashPoint.BEFORE_STEP).write_text('{"hang_s": 600}')
        studio.wait_for_end(job_id)
        check_story(studio, job_id)
        assert studio.hashes(job_id) == studio.hashes(real.whole), f"other frames after kill -9 of the {kind}"
        assert studio.job(job_id)["resume"] in ("exact", "fresh")
    assert [heal["state"] for heal in studio.reader.heals() if heal["fault"] == "hung_step"] == ["recovered"]


def test_preempted_job_resumes_with_the_same_frames(real: RealStudio) -> None:
    studio = real.studio
    low = studio.door.again(real.whole)["id"]
    studio.wait_for_blocks(low, 2)
    urgent = studio.door.request_role("market-team", "presenter", priority=100)["id"]
    studio.wait_for_end(low)
    assert studio.job(low)["preemptions"] == 1
    assert studio.job(urgent)["finished_at"] < studio.job(low)["finished_at"]
    assert studio.hashes(low) == studio.hashes(real.whole)
    check_story(studio, low)
    check_story(studio, urgent)
