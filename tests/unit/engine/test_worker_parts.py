"""Small parts of the worker: crash points, wishes, failures, files."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from engine.errors import DiskFull, EngineError, MediaError, SettingsError
from engine.fake_script import Fault, Script
from engine.media.durable import write_whole
from engine.worker.crash_points import CrashPoint, CrashPoints
from engine.worker.desk import Wish, Wishes
from engine.worker.failure import failure_of
from engine.worker.job_files import BlockRecord, JobFiles
from engine.worker.portraits import Portraits


def test_unarmed_or_unreached_crash_point_does_nothing() -> None:
    points = CrashPoints.from_environment({"GREENROOM_CRASH_AT": "after_flip:3"})
    points.pass_by(CrashPoint.AFTER_FLIP)
    points.pass_by(CrashPoint.AFTER_FLIP)
    points.pass_by(CrashPoint.BEFORE_STEP)
    CrashPoints.from_environment({}).pass_by(CrashPoint.AFTER_FLIP)


@pytest.mark.parametrize("text", ["nowhere:1", "after_flip:x", ":"])
def test_unknown_crash_point_is_an_error(text: str) -> None:
    with pytest.raises(SettingsError, match="GREENROOM_CRASH_AT"):
        CrashPoints.from_environment({"GREENROOM_CRASH_AT": text})


def test_cancel_outweighs_preempt_and_old_wishes_are_void() -> None:
    wishes = Wishes()
    wishes.add("lease", Wish.CANCEL)
    wishes.add("lease", Wish.PREEMPT)
    assert wishes.of("lease") is Wish.CANCEL and wishes.of("other") is None
    wishes.forget()
    assert wishes.of("lease") is None


@pytest.mark.parametrize(
    ("error", "code", "can_retry", "is_expected"),
    [
        (MediaError("no"), "bad_media", False, True),
        (DiskFull("x"), "disk_full", True, True),
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full", True, True),
        (MemoryError(), "out_of_memory", True, False),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "out_of_memory", True, False),
        (RuntimeError("CUDA error: out of memory"), "out_of_memory", True, False),
        (ZeroDivisionError("division by zero"), "engine_error", True, False),
    ],
)
def test_failure_has_a_stable_code_and_says_whether_a_retry_helps(
    error: Exception, code: str, can_retry: bool, is_expected: bool
) -> None:
    failure = failure_of(error)
    assert (failure.code, failure.can_retry, failure.is_expected) == (code, can_retry, is_expected)
    assert failure.message


def test_script_with_an_unknown_fault_or_field_is_refused() -> None:
    for data in ({"faults": [{"do": "explode"}]}, {"blocks": 1}, {"faults": [{"block": 1}]}, {"faults": 7}, []):
        with pytest.raises(SettingsError):
            Script.from_json(data)  # type: ignore[arg-type]
    script = Script.from_json({"block_s": 0.5, "faults": [{"job": 2, "block": 3, "do": "crash"}]})
    assert script == Script(block_s=0.5, faults=(Fault(job=2, block=3, do="crash"),))


# ---- files ----------------------------------------------------------------------------------------------------------


def _write_block(files: JobFiles, block: int) -> BlockRecord:
    fragment, latents = f"fragment {block}".encode(), f"latents {block}".encode()
    record = BlockRecord(
        block=block, frames=12, seconds=0.5, latents_sha256="a" * 64, latents_file_sha256=_sha256(latents),
        frames_sha256="b" * 64, fragment_sha256=_sha256(fragment), fragment_bytes=len(fragment), stage_ms={"dit": 1.0},
        made_with={"torch": "2"},
    )  # fmt: skip
    files.write_block(record, fragment, latents, CrashPoints())
    return record


def _sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


def test_durable_blocks_end_at_the_first_gap_or_damage(tmp_path: Path) -> None:
    files = JobFiles(tmp_path)
    records = [_write_block(files, block) for block in (0, 1, 2, 3, 5)]
    assert files.durable_blocks(0, 9) == records[:4]
    assert files.durable_blocks(2, 9) == [None, None, *records[2:4]], "what the daemon saw is not read again"
    assert files.durable_blocks(0, 2) == records[:2]
    files.latents(3).write_bytes(b"latents X")
    assert files.durable_blocks(0, 9) == records[:3]
    files.record(2).write_text("{")
    assert files.durable_blocks(0, 9) == records[:2]
    files.fragment(0).unlink()
    assert files.durable_blocks(0, 9) == []


def test_record_holds_everything_that_its_report_says(tmp_path: Path) -> None:
    files = JobFiles(tmp_path)
    record = _write_block(files, 0)
    report = record.report("lease-9")
    assert report.lease_id == "lease-9" and report.fragment_sha256 == record.fragment_sha256
    assert json.loads(files.record(0).read_bytes())["made_with"] == {"torch": "2"}


def test_damaged_latents_are_not_used_for_a_rebuild(tmp_path: Path) -> None:
    files = JobFiles(tmp_path)
    _write_block(files, 0)
    assert files.read_latents(0) == b"latents 0"
    files.latents(0).write_bytes(b"latents X")
    with pytest.raises(EngineError, match=r"000000\.safetensors is damaged"):
        files.read_latents(0)


def test_header_of_another_encoder_ends_the_job_only_when_there_are_blocks(tmp_path: Path) -> None:
    files = JobFiles(tmp_path)
    files.take_header(b"old", has_blocks=False)
    files.take_header(b"new", has_blocks=False)
    assert files.init.read_bytes() == b"new"
    with pytest.raises(MediaError, match="another version of the encoder"):
        files.take_header(b"newer", has_blocks=True)


def test_file_is_whole_or_not_there(tmp_path: Path) -> None:
    write_whole(tmp_path / "a" / "b", b"data")
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["b"]


def test_portrait_is_read_once_as_long_as_its_file_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    path, portraits = tmp_path / "portrait.png", Portraits()
    Image.new("RGB", (96, 64), "red").save(path)
    sha256 = _sha256(path.read_bytes())
    assert portraits.size(path, sha256) == (96, 64)
    with monkeypatch.context() as forbidden:
        forbidden.setattr("engine.worker.portraits.read_portrait", None)
        assert portraits.size(path, sha256) == (96, 64)
    Image.new("RGB", (128, 64), "red").save(path)
    with pytest.raises(MediaError, match="not the one of the recipe"):
        portraits.size(path, sha256)
    path.unlink()
    with pytest.raises(MediaError, match="cannot be read"):
        portraits.size(path, sha256)
