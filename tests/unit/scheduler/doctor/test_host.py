"""The machine without its GPUs: directory, disk, model, ports, limits, clock, versions; each finding provoked for real."""

from __future__ import annotations

import errno
import json
import mmap
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scheduler.doctor import data_dir, disk_speed, limits, versions, wall_clock
from scheduler.doctor.disk_speed import speed_findings
from scheduler.doctor.finding import Finding
from scheduler.doctor.model_files import model_findings
from scheduler.doctor.ports import group_port_findings, web_port_findings
from scheduler.doctor.subject import Subject
from scheduler.plan.check import ATTENTION, BAD, OK, UNKNOWN
from scheduler.preflight import lock_data_dir, prepare_data_dir

ROOT = Path(__file__).resolve().parents[4]
SHIPPED = ROOT / "engine" / "model" / "pocket_weights"


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    return Subject(data_dir=tmp_path / "var")


def only(findings: Any) -> Finding:
    (one,) = findings
    assert isinstance(one, Finding) and bool(one.remedy) == (one.state != OK) == bool(one.remedy_zh)
    return one


def test_data_directory_that_is_not_there_yet_is_fine_and_is_not_made(subject: Subject) -> None:
    assert only(data_dir.rights_findings(subject)).state == OK
    assert not subject.data_dir.exists()
    prepare_data_dir(subject.data_dir)
    assert only(data_dir.rights_findings(subject)).data["exists"] is True


def test_data_directory_that_is_a_file_is_bad(subject: Subject) -> None:
    subject.data_dir.write_text("")
    one = only(data_dir.rights_findings(subject))
    assert one.state == BAD and "--data DIR" in one.remedy


def test_data_directory_without_rights_is_bad(subject: Subject) -> None:
    """Root may write everywhere, so there the check is made by a user who may not even look into the folder above."""
    subject.data_dir.mkdir(mode=0o500)
    if os.geteuid():
        one = only(data_dir.rights_findings(subject))
    else:
        subject.data_dir.parent.chmod(0o700)
        code = (
            "import os, sys, json\nfrom pathlib import Path\nfrom dataclasses import asdict\n"
            "from scheduler.doctor.data_dir import rights_findings\nfrom scheduler.doctor.subject import Subject\n"
            "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            "print(json.dumps([asdict(one) for one in rights_findings(Subject(data_dir=Path(sys.argv[1])))]))\n"
        )
        command = [sys.executable, "-c", code, str(subject.data_dir)]
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        one = only(Finding(**found) for found in json.loads(said))
    assert one.state == BAD and one.data["closed"] and "--data DIR" in one.remedy


def test_disk_in_memory_or_over_the_network_is_told(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = only(data_dir.file_system_findings(Subject(data_dir=Path("/dev/shm/greenroom"))))
    assert (shared.state, shared.data["file_system"]) == (ATTENTION, "tmpfs")
    mounts = tmp_path / "mountinfo"
    monkeypatch.setattr(data_dir, "_MOUNTS", mounts)
    assert only(data_dir.file_system_findings(subject)).state == UNKNOWN
    mounts.write_text(f"22 1 8:1 / / rw - ext4 /dev/sda rw\n40 22 0:41 / {tmp_path} rw shared:9 - nfs4 host:/x rw\n")
    one = only(data_dir.file_system_findings(subject))
    assert (one.state, one.data["file_system"]) == (ATTENTION, "nfs4") and "file locks" in one.text
    mounts.write_text("22 1 8:1 / / rw - ext4 /dev/sda rw\n")
    assert only(data_dir.file_system_findings(subject)).state == OK


def test_free_space_is_held_against_what_serve_needs(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_dir, "WARN_FREE_BYTES", 1 << 60)
    assert only(data_dir.space_findings(subject)).state == ATTENTION
    monkeypatch.setattr(data_dir, "MIN_FREE_BYTES", 1 << 60)
    assert only(data_dir.space_findings(subject)).state == BAD


def test_speed_is_measured_with_a_file_that_leaves_nothing(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_speed, "WRITTEN_BYTES", 8 << 20)
    before = sorted(subject.place.iterdir())
    figures = only(speed_findings(subject)).data
    assert (figures["source"], figures["read_bytes"], figures["are_weights_here"]) == ("temporary", 8 << 20, False)
    assert figures["load_s"] == pytest.approx(figures["weights_bytes"] / figures["bytes_per_s"], abs=0.01)
    assert sorted(subject.place.iterdir()) == before


def test_weights_that_are_here_are_read_themselves(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_speed, "FEW_BYTES", 1 << 20)
    subject.model_dir.mkdir(parents=True)
    sizes = (5 << 20, (3 << 20) + 17)
    for number, size in enumerate(sizes):
        with (subject.model_dir / f"{number}.safetensors").open("wb") as file:
            file.write(os.urandom(size))
            os.fsync(file.fileno())
    figures = only(speed_findings(subject)).data
    assert (figures["source"], figures["read_bytes"], figures["weights_bytes"]) == ("weights", sum(sizes), sum(sizes))


def test_load_that_takes_longer_than_a_worker_may_is_told(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_speed, "WRITTEN_BYTES", 8 << 20)
    monkeypatch.setattr(disk_speed, "expected_bytes", lambda _: 1 << 50)
    one = only(speed_findings(subject))
    assert one.state == ATTENTION and one.data["load_s"] > one.data["start_s"] == 120 and "start_s" in one.remedy
    subject.data_dir.mkdir()
    (subject.data_dir / "policy.yaml").write_text("faults: {hung_step: {start_s: 7}}\n")
    assert only(speed_findings(subject)).data["start_s"] == 7
    (subject.data_dir / "policy.yaml").write_text("faults: rubbish\n")
    assert only(speed_findings(subject)).data["start_s"] == 120


def test_without_room_for_the_file_nobody_says_a_speed(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_speed, "MIN_FREE_BYTES", 1 << 60)
    one = only(speed_findings(subject))
    assert one.state == UNKNOWN and os.strerror(errno.ENOSPC) in one.text


def test_pages_that_stay_in_the_cache_are_not_called_a_disk(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without O_DIRECT (it says EINVAL), and a process that has the weights mapped, as a running house has."""
    real_open = os.open

    def open_without_direct(path: Path, flags: int) -> int:
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return real_open(path, flags)

    monkeypatch.setattr(disk_speed.os, "open", open_without_direct)
    monkeypatch.setattr(disk_speed, "FEW_BYTES", 1 << 20)
    subject.model_dir.mkdir(parents=True)
    weights = subject.model_dir / "one.safetensors"
    with weights.open("wb") as file:
        file.write(os.urandom(4 << 20))
        os.fsync(file.fileno())
    if data_dir.kind_of(subject.model_dir) != "tmpfs":
        assert only(speed_findings(subject)).data["cache"] == "dropped"
    with weights.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert len(mapped[:]) == 4 << 20  # every page is in use
        one = only(speed_findings(subject))
    assert (one.state, one.data["cache"]) == (UNKNOWN, "kept") and "page cache" in one.text


def test_model_that_is_missing_is_bad_but_the_pocket_model_is_made_by_serve(subject: Subject) -> None:
    assert only(model_findings(subject)).state == OK
    one = only(model_findings(Subject(data_dir=subject.data_dir, model="live-avatar-14b")))
    assert one.state == BAD and "docs/weights.md" in one.remedy


def test_model_behind_a_link_is_checked_and_a_torn_file_is_named(subject: Subject) -> None:
    subject.model_dir.parent.mkdir(parents=True)
    subject.model_dir.symlink_to(SHIPPED)
    one = only(model_findings(subject))
    assert one.state == OK and one.data["bytes"] == sum(file.stat().st_size for file in SHIPPED.glob("*.safetensors"))
    subject.model_dir.unlink()
    subject.model_dir.mkdir()
    for file in SHIPPED.iterdir():
        (subject.model_dir / file.name).write_bytes(file.read_bytes()[: 1000 if file.stem == "vae" else None])
    one = only(model_findings(subject))
    assert one.state == BAD and "vae.safetensors" in one.text and f"weights check {subject.model_dir}" in one.remedy


def listening() -> socket.socket:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    return sock


def test_port_is_free_or_in_use_by_somebody_with_a_name(subject: Subject) -> None:
    with listening() as other:
        port = other.getsockname()[1]
        one = only(web_port_findings(Subject(data_dir=subject.data_dir, port=port)))
        assert one.state == BAD and one.data["pids"] == [os.getpid()] and str(os.getpid()) in one.text
        assert f"--port {port + 1}" in one.remedy
    assert only(web_port_findings(Subject(data_dir=subject.data_dir, port=port))).state == OK


def test_port_of_the_house_that_runs_here_is_no_fault(subject: Subject) -> None:
    prepare_data_dir(subject.data_dir)
    with listening() as own, lock_data_dir(subject.data_dir):
        port = own.getsockname()[1]
        (subject.run_dir / "web.url").write_text(f"http://127.0.0.1:{port}")
        assert only(web_port_findings(Subject(data_dir=subject.data_dir, port=port))).state == OK
        (subject.run_dir / "web.url").write_text("http://127.0.0.1:1")
        assert only(web_port_findings(Subject(data_dir=subject.data_dir, port=port))).state == BAD


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
def test_address_of_another_machine_is_not_called_a_port_in_use(subject: Subject, host: str) -> None:
    one = only(web_port_findings(Subject(data_dir=subject.data_dir, host=host)))
    assert one.state == BAD and "not one of this machine" in one.text and "--host" in one.remedy


def test_port_of_a_group_is_told_but_never_bad(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as other:
        monkeypatch.setenv("MASTER_PORT", str(other.getsockname()[1]))
        one = only(group_port_findings(subject))
        assert one.state == ATTENTION and one.data["pids"] == [os.getpid()]
    assert only(group_port_findings(subject)).state == OK
    for rubbish in ("http", "0", "65536", "-5"):
        monkeypatch.setenv("MASTER_PORT", rubbish)
        assert only(group_port_findings(subject)).data == {"value": rubbish}


def test_little_shared_memory_is_told(subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LITTLE_SHARED_BYTES", 1 << 60)
    assert only(limits.shared_memory_findings(subject)).state == ATTENTION
    monkeypatch.setattr(limits, "SHARED_MEMORY", tmp_path / "none")
    assert only(limits.shared_memory_findings(subject)).state == UNKNOWN


@pytest.mark.parametrize(
    ("limit", "value", "name", "state"),
    [
        (resource.RLIMIT_NOFILE, 100, "limit open files", BAD),
        (resource.RLIMIT_NOFILE, 500, "limit open files", ATTENTION),
        (resource.RLIMIT_FSIZE, 1 << 20, "limit file size", BAD),
        (resource.RLIMIT_FSIZE, 1 << 30, "limit file size", ATTENTION),
        (resource.RLIMIT_AS, 16 << 30, "limit address space", ATTENTION),
        (resource.RLIMIT_MEMLOCK, 0, "limit locked memory", OK),
    ],
)
def test_lowered_limits_are_told(subject: Subject, limit: int, value: int, name: str, state: str) -> None:
    command = [sys.executable, "-m", "scheduler.doctor", "--data", str(subject.data_dir), "limits"]
    lower: Callable[[], None] = lambda: resource.setrlimit(limit, (value, value))  # noqa: E731
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, preexec_fn=lower).stdout
    events = [json.loads(line) for line in said.splitlines()]
    (one,) = [event["finding"] for event in events if event.get("finding", {}).get("name") == name]
    assert (one["state"], bool(one["remedy"])) == (state, state != OK)
    assert events[0] == {"begun": "limits"} and events[-1] == {"done": "limits"}


def test_clock_behind_the_houses_own_files_was_set_back(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    assert only(wall_clock.clock_findings(subject)).state == OK
    subject.data_dir.mkdir()
    head = subject.data_dir / "audit.head"
    head.write_text("{}")
    os.utime(head, (time.time() + 7200, time.time() + 7200))
    one = only(wall_clock.clock_findings(subject))
    assert one.state == ATTENTION and "2.0 h" in one.text
    monkeypatch.setattr(wall_clock.time, "time", lambda: 1000.0)
    one = only(wall_clock.clock_findings(subject))
    assert one.state == BAD and "1970-01-01" in one.text


def test_zone_that_is_none_is_bad(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENROOM_ZONE", "Asia/Shanghai")
    assert only(wall_clock.zone_findings(subject)).data["zone"] == "Asia/Shanghai"
    monkeypatch.setenv("GREENROOM_ZONE", "Nowhere/At_All")
    assert only(wall_clock.zone_findings(subject)).state == BAD


def test_package_that_is_missing_is_named(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    python, packages = versions.version_findings(subject)
    assert (python.state, packages.state) == (OK, OK)
    monkeypatch.setattr(versions, "_NEEDED", ("flask", "never-made-package"))
    monkeypatch.setattr(versions, "OLDEST", (9, 0))
    python, packages = versions.version_findings(subject)
    assert (python.state, packages.state) == (ATTENTION, BAD)
    assert packages.text == "not installed: never-made-package" and packages.remedy == "make install"
