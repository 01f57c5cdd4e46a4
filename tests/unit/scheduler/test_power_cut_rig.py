"""The rig believes only what it was taught: traces are read to the byte, and the disk keeps what was synced, nothing else."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks.cut_check import acknowledged
from benchmarks.cut_disk import ANY, ORDERED, CutDisk
from benchmarks.syscall_trace import CannotFollow, Op, read_trace
from scheduler.door import pack

ROOT = Path("/d")


def hexed(text: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in text.encode())


def images(ops: list[Op], names: str, count: int = 200) -> list[dict[str, bytes | None]]:
    """What cuts after all of these operations leave."""
    disk, rng = CutDisk(ROOT, names), random.Random(1)
    for op in ops:
        disk.feed(op)
    return [disk.image(rng) for _ in range(count)]


def whole(path: str, *, is_synced: bool, is_named: bool) -> list[Op]:
    """A file written aside and renamed, with or without its syncs."""
    return [
        Op("create", f"{path}.part"), Op("write", f"{path}.part", data=b"x" * 600),
        *([Op("sync", f"{path}.part")] if is_synced else []), Op("rename", f"{path}.part", path),
        *([Op("sync", str(Path(path).parent))] if is_named else []),
    ]  # fmt: skip


@pytest.mark.parametrize("names", [ORDERED, ANY])
def test_what_was_synced_is_in_every_image(names: str) -> None:
    found = images(whole("/d/a", is_synced=True, is_named=True), names)
    assert all(image.get("/d/a") == b"x" * 600 and "/d/a.part" not in image for image in found)


def test_file_that_was_renamed_without_a_sync_can_be_empty_torn_or_there() -> None:
    found = {image.get("/d/a") for image in images(whole("/d/a", is_synced=False, is_named=False), ORDERED)}
    assert {None, b"", b"x" * 600, b"x" * 512, bytes(512) + b"x" * 88} <= found


@pytest.mark.parametrize("names", [ORDERED, ANY])
def test_name_that_was_not_synced_arrives_or_does_not(names: str) -> None:
    found = {image.get("/d/a") for image in images(whole("/d/a", is_synced=True, is_named=False), names)}
    assert found == {None, b"x" * 600}


def test_folder_that_did_not_arrive_takes_its_files_with_it() -> None:
    ops = [Op("mkdir", "/d/job"), *whole("/d/job/a", is_synced=True, is_named=True)]
    assert {image.get("/d/job/a") for image in images(ops, ANY)} == {None, b"x" * 600}
    assert {image.get("/d/job/a") for image in images(ops, ORDERED)} == {b"x" * 600}, "a journal keeps the order of names"
    assert {image.get("/d/job/a") for image in images([*ops, Op("sync", "/d")], ANY)} == {b"x" * 600}


def test_unlink_that_was_not_synced_may_be_undone() -> None:
    ops = [*whole("/d/a", is_synced=True, is_named=True), Op("unlink", "/d/a")]
    assert {"/d/a" in image for image in images(ops, ORDERED)} == {True, False}
    assert {"/d/a" in image for image in images([*ops, Op("sync", "/d")], ORDERED)} == {False}


def test_trace_of_threads_is_read_to_the_byte() -> None:
    part, final = hexed("/d/a.part"), hexed("/d/a")
    lines = [
        f'1 openat(AT_FDCWD<{hexed("/")}>, "{part}", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3<{part}>',
        f'1 write(3<{part}>, "{hexed("hel")}", 3 <unfinished ...>',
        f'2 fdatasync(9<{hexed("/d/db")}> <unfinished ...>',
        "1 <... write resumed>) = 3",
        f'1 write(3<{part}>, "{hexed("lo")}", 2) = 2',
        "2 <... fdatasync resumed>) = 0",
        f'2 pwrite64(9<{hexed("/d/db")}>, "{hexed("page")}", 4, 4096) = 4',
        f'1 rename("{part}", "{final}") = 0',
        f'1 unlink("{part}") = -1 ENOENT (No such file or directory)',
        f'1 fsync(4<{hexed("/elsewhere")}>) = 0',
        f'1 sendto(5<UNIX-STREAM:[1->2]>, "{hexed("hi")}", 2, 0, NULL, 0) = 2',
    ]
    assert list(read_trace(lines, "/d")) == [
        Op("create", "/d/a.part"), Op("truncate", "/d/a.part"), Op("write", "/d/a.part", data=b"hel"),
        Op("write", "/d/a.part", offset=3, data=b"lo"), Op("datasync", "/d/db"),
        Op("write", "/d/db", offset=4096, data=b"page"), Op("rename", "/d/a.part", "/d/a"), Op("send", data=b"hi"),
    ]  # fmt: skip
    with pytest.raises(CannotFollow):
        list(read_trace([f'1 pwritev(9<{hexed("/d/db")}>, [], 1, 0) = 4'], "/d"))


def test_only_a_granted_submission_counts_as_acknowledged() -> None:
    granted = pack({"id": 1, "ok": True, "result": {"id": "j1", "state": "QUEUED", "place": 1, "decision": {}}})
    other = pack({"id": 2, "ok": True, "result": {"roles": []}})
    assert acknowledged(granted + other + granted) == ["j1", "j1"]
    assert acknowledged(other) == [] and acknowledged(b"GET / HTTP/1.1") == []
