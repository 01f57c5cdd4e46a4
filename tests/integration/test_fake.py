"""The scripted engine as a real process: its files are true, its faults happen as written."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from engine import protocol
from engine.config import fit_size
from engine.errors import ProtocolError
from engine.worker.crash_points import VARIABLE, CrashPoint
from tests.acceptance.gate import Gate
from tests.integration.worker_rig import JobKit, WorkerProcess, hashes

Start = Callable[..., WorkerProcess]


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    """Where a test holds a worker while it acts."""
    return Gate(tmp_path / "orders")


@pytest.fixture
def start(tmp_path: Path, gate: Gate) -> Iterator[Start]:
    """Starts fakes with a script (kept between them) and ends them."""
    workers: list[WorkerProcess] = []

    def start_one(*, crash_at: str = "", **script: Any) -> WorkerProcess:
        path = tmp_path / "script.json"
        path.write_text(json.dumps({"block_s": 0.0, **script}))
        env = {"GREENROOM_FAKE_SCRIPT": str(path), VARIABLE: crash_at, **gate.env}
        workers.append(WorkerProcess("engine.fake", env=env, log=tmp_path / "log"))
        workers[-1].wait_for(protocol.WorkerReady)
        return workers[-1]

    yield start_one
    for worker in workers:
        worker.close()


@pytest.fixture
def kit(tmp_path: Path) -> JobKit:
    return JobKit(tmp_path / "assets", blocks=4)


def test_finished_job_is_a_playable_video_with_one_report_per_block(start: Start, kit: JobKit, tmp_path: Path) -> None:
    worker = start()
    worker.say(kit.order(tmp_path / "job"))
    report = worker.finish_job()
    assert isinstance(report, protocol.JobSucceeded)
    video = Path(report.path)
    assert video == tmp_path / "job" / "video.mp4" and report.frames == 48
    assert hashlib.sha256(video.read_bytes()).hexdigest() == report.sha256 and video.stat().st_size == report.bytes
    with av.open(str(video)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 48
        assert container.streams.audio
    kinds = [type(message).__name__ for message in worker.heard[2:]]
    assert kinds == ["JobStarted", *["BlockStarted", "BlockDone"] * 4, "SegmentDone", "JobSucceeded"]
    started = worker.all_of(protocol.JobStarted)[0]
    assert (started.resume, started.from_block) == ("fresh", 0)
    for done in worker.all_of(protocol.BlockDone):
        fragment = (tmp_path / "job" / "blocks" / f"{done.block:06d}.m4s").read_bytes()
        assert hashlib.sha256(fragment).hexdigest() == done.fragment_sha256 and len(fragment) == done.fragment_bytes
        assert done.lease_id == "lease-1"
    assert not list((tmp_path / "job").rglob("*.part"))


@pytest.mark.parametrize(("size", "portrait"), [("192*128", (960, 640)), ("384*256", (300, 500)), ("192*128", (64, 64))])
def test_video_has_the_size_that_was_asked_for(start: Start, tmp_path: Path, size: str, portrait: tuple[int, int]) -> None:
    kit = JobKit(tmp_path / "assets", blocks=1, size=size)
    Image.new("RGB", portrait, "navy").save(kit.portrait)
    worker = start()
    worker.say(kit.with_recipe(portrait_sha256=hashlib.sha256(kit.portrait.read_bytes()).hexdigest()).order(tmp_path / "job"))
    report = worker.finish_job()
    assert isinstance(report, protocol.JobSucceeded)
    [told], asked = worker.all_of(protocol.JobStarted), fit_size(size, *portrait)
    with av.open(report.path) as container:
        made = container.streams.video[0].width, container.streams.video[0].height
    assert (told.width, told.height) == made == asked


def test_stream_is_playable_while_the_job_runs(start: Start, kit: JobKit, tmp_path: Path) -> None:
    worker = start(faults=[{"block": 2, "do": "hang"}])
    worker.say(kit.order(tmp_path / "job"))
    worker.wait_for(protocol.BlockDone, where=lambda done: done.block == 1)
    blocks = tmp_path / "job" / "blocks"
    stream = tmp_path / "stream.mp4"
    parts = [tmp_path / "job" / "init.mp4", blocks / "000000.m4s", blocks / "000001.m4s"]
    stream.write_bytes(b"".join(part.read_bytes() for part in parts))
    with av.open(str(stream)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 24


# The scripted engine decodes and renews its sink in no time; nobody preempts here.
_NOT_HERE = (CrashPoint.INSIDE_DECODE, CrashPoint.INSIDE_SINK, CrashPoint.BEFORE_PREEMPTED)
_ONCE = (
    CrashPoint.BEFORE_CONTEXT, CrashPoint.AFTER_CONTEXT, CrashPoint.AFTER_BEGIN, CrashPoint.AFTER_STARTED,
    CrashPoint.BEFORE_SINK, CrashPoint.BEFORE_SEGMENT, CrashPoint.AFTER_SEGMENT, CrashPoint.BEFORE_VIDEO,
    CrashPoint.AFTER_VIDEO,
)  # fmt: skip


@pytest.mark.parametrize("point", [point for point in CrashPoint if point not in _NOT_HERE])
def test_job_killed_at_a_named_point_ends_as_if_nothing_had_been(
    start: Start, kit: JobKit, tmp_path: Path, point: CrashPoint
) -> None:
    quiet = start()
    quiet.say(kit.order(tmp_path / "quiet"))
    quiet.finish_job()
    at = 1 if point in _ONCE else 8 if point is CrashPoint.BEFORE_STEP else 3  # the rest in the third block
    dying = start(crash_at=f"{point}:{at}", block_s=0.1 if point is CrashPoint.INSIDE_STEP else 0.0)
    dying.say(kit.order(tmp_path / "job"))
    dying.drain()
    assert dying.process.returncode == -9, "the point was not passed"
    done = len(dying.all_of(protocol.BlockDone))
    second = start()
    second.say(kit.order(tmp_path / "job", lease_id="lease-2", from_block=done))
    assert isinstance(second.finish_job(), protocol.JobSucceeded)
    assert hashes(tmp_path / "job") == hashes(tmp_path / "quiet")
    reported = [r.block for r in dying.all_of(protocol.BlockDone) + second.all_of(protocol.BlockDone)]
    assert reported == list(range(kit.blocks)), "every block was reported, none out of order"
    with av.open(str(tmp_path / "job" / "video.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == kit.blocks * 12


def test_preempted_job_stops_at_a_block_boundary_and_goes_on_in_another_process(
    start: Start, kit: JobKit, tmp_path: Path, gate: Gate
) -> None:
    first = start(block_s=0.1)
    gate.close(CrashPoint.AFTER_BLOCK_DONE)
    first.say(kit.order(tmp_path / "job"))
    gate.hold_after_blocks(1)
    first.say(protocol.PreemptJob("another lease"))
    first.say(protocol.PreemptJob("lease-1"))
    gate.open(CrashPoint.AFTER_BLOCK_DONE)
    report = first.finish_job()
    assert isinstance(report, protocol.JobPreempted) and 1 <= report.blocks_done < 4
    assert len(hashes(tmp_path / "job")) == report.blocks_done
    second = start()
    second.say(kit.order(tmp_path / "job", lease_id="lease-2", from_block=report.blocks_done))
    assert isinstance(second.finish_job(), protocol.JobSucceeded)
    assert second.all_of(protocol.JobStarted)[0].resume == "exact"
    assert [b.block for b in second.all_of(protocol.BlockDone)] == list(range(report.blocks_done, 4))


def test_cancelled_job_stops_and_the_worker_takes_the_next_one(
    start: Start, kit: JobKit, tmp_path: Path, gate: Gate
) -> None:
    worker = start(block_s=0.05)
    gate.close(CrashPoint.BEFORE_STEP)
    worker.say(kit.order(tmp_path / "job"))
    gate.held(CrashPoint.BEFORE_STEP)
    worker.say(protocol.CancelJob("lease-1"))
    worker.say(protocol.PreemptJob("lease-1"))  # cancel outweighs it
    gate.open(CrashPoint.BEFORE_STEP)
    assert isinstance(worker.finish_job(), protocol.JobCancelled)
    worker.say(kit.order(tmp_path / "next", lease_id="lease-2"))
    assert isinstance(worker.finish_job(), protocol.JobSucceeded)


def test_role_is_prepared_between_the_blocks_of_a_running_job(
    start: Start, kit: JobKit, tmp_path: Path, gate: Gate
) -> None:
    worker = start(block_s=0.05)
    gate.close(CrashPoint.AFTER_BLOCK_DONE)
    worker.say(kit.order(tmp_path / "job"))
    gate.hold_after_blocks(1)
    for request in ("one", "two"):
        worker.say(protocol.PrepareRole(request, "teacher", "prompt", str(kit.portrait), kit.recipe.to_json()))
    gate.open(CrashPoint.AFTER_BLOCK_DONE)
    tiers = [worker.wait_for(protocol.RolePrepared).tier for _ in range(2)]
    assert tiers == ["prepared", "gpu"]
    assert not worker.all_of(protocol.JobSucceeded)
    assert isinstance(worker.finish_job(), protocol.JobSucceeded)


def test_damaged_block_is_made_again(start: Start, kit: JobKit, tmp_path: Path) -> None:
    first = start(faults=[{"block": 3, "do": "crash"}])
    first.say(kit.order(tmp_path / "job"))
    first.drain()
    good = hashes(tmp_path / "job")
    fragment = tmp_path / "job" / "blocks" / "000002.m4s"
    fragment.write_bytes(fragment.read_bytes()[:-1])
    second = start()
    second.say(kit.order(tmp_path / "job", lease_id="lease-2", from_block=2))
    assert isinstance(second.finish_job(), protocol.JobSucceeded)
    assert [b.block for b in second.all_of(protocol.BlockDone)] == [2, 3]
    assert hashes(tmp_path / "job")[:3] == good


def test_long_job_has_segments_and_says_again_what_was_not_heard(start: Start, tmp_path: Path) -> None:
    kit = JobKit(tmp_path / "assets", blocks=201, infer_frames=12)  # 200 clips of one block make a segment
    first = start(crash_at=f"{CrashPoint.AFTER_BLOCK_DONE}:200")
    first.say(kit.order(tmp_path / "job"))
    first.drain()
    assert not first.all_of(protocol.SegmentDone)
    second = start()
    second.say(kit.order(tmp_path / "job", lease_id="lease-2", from_block=200))
    video = second.finish_job()
    assert isinstance(video, protocol.JobSucceeded) and video.frames == 201 * 12
    segments = second.all_of(protocol.SegmentDone)
    assert [(s.segment, s.frames) for s in segments] == [(0, 2400), (1, 12)]
    for segment in segments:
        assert hashlib.sha256(Path(segment.path).read_bytes()).hexdigest() == segment.sha256
    assert [b.block for b in second.all_of(protocol.BlockDone)] == [200]


@pytest.mark.parametrize(("deed", "can_retry"), [("fail", False), ("fail_retry", True)])
def test_scripted_failure_is_reported_and_the_worker_lives(
    start: Start, kit: JobKit, tmp_path: Path, deed: str, can_retry: bool
) -> None:
    worker = start(faults=[{"job": 1, "block": 1, "do": deed}])
    worker.say(kit.order(tmp_path / "job"))
    failed = worker.finish_job()
    assert isinstance(failed, protocol.JobFailed)
    assert (failed.code, failed.can_retry, failed.blocks_done) == ("scripted", can_retry, 1)
    worker.say(kit.order(tmp_path / "job", lease_id="lease-2", from_block=1))
    assert isinstance(worker.finish_job(), protocol.JobSucceeded)


def test_fault_happens_as_often_as_written_also_across_restarts(start: Start, kit: JobKit, tmp_path: Path) -> None:
    for _ in range(2):
        worker = start(faults=[{"job": "job", "block": 0, "do": "crash", "times": 2}])
        worker.say(kit.order(tmp_path / "job"))
        worker.drain()
        assert worker.process.returncode == -9
    worker = start(faults=[{"job": "job", "block": 0, "do": "crash", "times": 2}])
    worker.say(kit.order(tmp_path / "job"))
    assert isinstance(worker.finish_job(), protocol.JobSucceeded)


def test_hung_block_keeps_beating_at_an_unchanged_position(start: Start, kit: JobKit, tmp_path: Path) -> None:
    worker = start(faults=[{"block": 1, "do": "hang"}])
    worker.say(kit.order(tmp_path / "job"))
    worker.wait_for(protocol.BlockStarted, where=lambda started: started.block == 1)
    beats = [worker.wait_for_beat(lambda beat: beat.block == 1) for _ in range(5)]
    assert {(b.lease_id, b.phase, b.step) for b in beats[2:]} == {("lease-1", "step", 0)}


def test_stopped_heartbeat_is_silence(start: Start, kit: JobKit, tmp_path: Path) -> None:
    worker = start(faults=[{"block": 0, "do": "stop_heartbeat"}])
    worker.say(kit.order(tmp_path / "job"))
    worker.wait_for(protocol.BlockStarted)
    worker.socket.settimeout(1.0)
    with pytest.raises(TimeoutError):  # fifty would be due in such a time; some were on their way when it fell silent
        worker.hear()
    assert worker.process.poll() is None


def test_wrong_lease_and_garbage_reach_the_wire(start: Start, kit: JobKit, tmp_path: Path) -> None:
    worker = start(faults=[{"block": 0, "do": "wrong_lease"}, {"block": 1, "do": "garbage"}])
    worker.say(kit.order(tmp_path / "job"))
    assert worker.wait_for(protocol.BlockDone).lease_id != "lease-1"
    with pytest.raises(ProtocolError):
        worker.finish_job()


def test_worker_ends_at_once_when_the_daemon_is_gone_even_when_hung(start: Start, kit: JobKit, tmp_path: Path) -> None:
    worker = start(faults=[{"block": 0, "do": "hang"}])
    worker.say(kit.order(tmp_path / "job"))
    worker.wait_for(protocol.BlockStarted)
    assert worker.close() == 0


def test_worker_ends_when_it_is_told_to_stop(start: Start, kit: JobKit, tmp_path: Path) -> None:
    worker = start(faults=[{"block": 0, "do": "hang"}])
    worker.say(kit.order(tmp_path / "job"))
    worker.say(protocol.StopWorker())
    assert worker.process.wait(60) == 0


def test_worker_leaves_a_daemon_that_talks_nonsense(start: Start) -> None:
    worker = start()
    worker.socket.sendall(b"\x00\x00\x00\x02{}")
    assert worker.process.wait(60) == 76
    assert "talks nonsense" in worker.log.read_text()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"settings": {"size": "1*1"}}, "bad_settings"),
        ({"version": 99}, "bad_settings"),
        ({"voice_seconds": 60.0}, "bad_media"),
        ({"portrait_sha256": "0" * 64}, "bad_media"),
    ],
)
def test_impossible_job_is_refused_with_its_reason(
    start: Start, kit: JobKit, tmp_path: Path, changes: dict[str, Any], code: str
) -> None:
    worker = start()
    worker.say(kit.with_recipe(**changes).order(tmp_path / "job"))
    failed = worker.finish_job()
    assert isinstance(failed, protocol.JobFailed)
    assert (failed.code, failed.can_retry) == (code, False) and failed.message
    worker.say(JobKit(tmp_path / "other", blocks=1).order(tmp_path / "job2", lease_id="lease-2"))
    assert isinstance(worker.finish_job(), protocol.JobSucceeded)


def test_fake_needs_no_torch() -> None:
    code = "import sys, engine.fake; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120).stdout.strip() == b"False"
