"""A whole house on two GPUs: two jobs at once, one on each, and a job that gave way on one goes on with its bits on the other.

`python -m pytest tests/gpu/test_several_gpus.py -n0` on a machine with two GPUs of one kind; minutes, most of them starts
(`-k pocket` or `-k 14b` is one house). Both shapes have random weights. What a house said stands in the message of a test
that fails.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

if torch.cuda.device_count() < 2:
    pytest.skip("fewer than two CUDA devices", allow_module_level=True)
pytest.importorskip("av", reason="the whole house is started")
pytest.importorskip("flask", reason="the whole house is started")

from benchmarks.recovery_house import house_of
from engine.model.random_directory import checked
from scheduler.chaos.house import ChaosHouse, until
from scheduler.probe import Probe

START_S = 420.0
WORK_S = 420.0
PATIENT = {"hung_step": "{floor_s: 60, cold_s: 300, long_s: 300, start_s: 400}", "heartbeat_lost": "{floor_s: 60}"}
LOG_TAIL = 2500
MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A shape, its pictures, how long a video has to be to be interrupted, and the bytes of its weights on each GPU."""

    shape: str
    preset: str
    width: int
    height: int
    seconds: float
    device_bytes: int
    needs_bytes: int


KINDS = (
    Kind(shape="pocket", preset="pocket", width=192, height=128, seconds=96.0, device_bytes=300 * MIB, needs_bytes=4096 * MIB),
    Kind(
        shape="live-avatar-14b", preset="standard", width=640, height=384, seconds=14.4, device_bytes=14_400 * MIB,
        needs_bytes=70_000 * MIB,
    ),
)  # fmt: skip


class Pair:
    """A running house of two slots, and a job that was left in peace."""

    def __init__(self, house: ChaosHouse, kind: Kind) -> None:
        self.house, self.kind = house, kind
        self.whole = ""

    @contextmanager
    def told(self) -> Iterator[None]:
        """Whatever fails inside is told with what the house said."""
        try:
            yield
        except Exception as error:
            logs = "\n".join(
                f"---- {path.name}\n{path.read_text(errors='replace')[-LOG_TAIL:]}"
                for path in sorted((self.house.data_dir / "logs").glob("*.jsonl"))
            )
            raise AssertionError(f"{error}\nthe launcher said: {self.house.said[-LOG_TAIL:]}\n{logs}") from error

    def slots(self) -> list[dict[str, Any]]:
        return list(self.house.status()["slots"])

    def seats(self) -> dict[str, int]:
        """Slot of each job that is played."""
        return {slot["job_id"]: slot["slot"] for slot in self.slots() if slot["job_id"]}

    def job(self, job_id: str) -> dict[str, Any]:
        row = self.house.reader.job(job_id)
        assert row is not None
        return row

    def slots_of(self, job_id: str) -> list[int]:
        """The slots that the job had, in order."""
        return [entry["body"]["slot"] for entry in self.house.reader.story(job_id) if entry["action"] == "job:leased"]

    def hashes(self, job_id: str) -> list[tuple[int, str, str]]:
        return [(row["block"], row["latents_sha256"], row["frames_sha256"]) for row in self.house.reader.blocks(job_id)]

    def submit(self, user: str, role: str, **more: Any) -> str:
        wish = {"duration_sec": self.kind.seconds, "fill": "loop", "degrade": "never", **more}
        return str(self.house.door.request_role(user, role, **wish)["id"])

    def again(self) -> str:
        return str(self.house.door.again(self.whole)["id"])

    def wait_for_blocks(self, job_id: str, count: int) -> None:
        until(lambda: self.job(job_id)["blocks_done"] >= count, f"{count} blocks of {job_id}", WORK_S)

    def wait_for_success(self, job_id: str) -> dict[str, Any]:
        until(lambda: self.job(job_id)["finished_at"], f"the end of {job_id}", WORK_S)
        job = self.job(job_id)
        assert job["state"] == "SUCCEEDED", f"{job['state']}: {job['error_message']} {job['error_hint']}"
        return job


def environment_of(pid: int) -> dict[str, str]:
    """What a process was started with."""
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def used_bytes() -> list[int]:
    """Memory in use of each GPU, in the order of the slots."""
    return [reading.body["memory_used_bytes"] for reading in Probe().read()[:2]]


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.shape)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A house with a worker and a warm standby on each of two GPUs."""
    kind: Kind = request.param
    if min(torch.cuda.get_device_properties(number).total_memory for number in range(2)) < kind.needs_bytes:
        pytest.skip(f"{kind.shape} needs {kind.needs_bytes // MIB} MiB on each GPU")
    house = house_of(
        tmp_path_factory.mktemp("pair"), model=checked(kind.shape, "fp8", 0), width=kind.width, height=kind.height,
        preset=kind.preset, device="cuda", serve=("scheduler.cli", "serve", "--slots", "2"),
    )  # fmt: skip
    house.be_patient(PATIENT)
    found, before = Pair(house, kind), used_bytes()
    try:
        with found.told():
            house.start(is_awaited=False)
            until(lambda: house.is_ready() and all(slot["worker"] for slot in found.slots()), "a worker on each slot", START_S)
            until(lambda: sum(one["is_warm"] for one in house.status()["standby"]) == 2, "two warm standbys", START_S)
            grown = [now - then for now, then in zip(used_bytes(), before, strict=True)]
            assert min(grown) > kind.device_bytes, f"each GPU holds a network of its own: {grown}"
            found.whole = found.submit("day-team", "teacher", seed=7)
            found.wait_for_success(found.whole)
        yield found
        with found.told():
            assert house.stop() == 0
    finally:
        house.end()


def test_slots_are_the_gpus_in_their_order_and_each_worker_sees_its_own(pair: Pair) -> None:
    with pair.told():
        gpus = Probe().gpus[:2]
        assert "2 slots, a GPU each: gpu0" in pair.house.said
        slots = pair.slots()
        assert [slot["device"] for slot in slots] == ["cuda", "cuda"]
        assert [environment_of(slot["pid"])["CUDA_VISIBLE_DEVICES"] for slot in slots] == list(gpus)
        read = {sample["device"] for sample in pair.house.reader.latest_samples()}
        assert read == {"gpu0", "gpu1"}


def test_two_jobs_at_once_have_the_bits_of_one_alone_though_a_worker_is_killed(pair: Pair) -> None:
    with pair.told():
        jobs = [pair.again(), pair.again()]
        until(lambda: set(jobs) <= set(pair.seats()), f"{jobs} at the same time", WORK_S)
        seats = pair.seats()
        assert sorted(seats[job] for job in jobs) == [0, 1]
        for job_id in jobs:
            pair.wait_for_blocks(job_id, 3)
        pids = {slot["slot"]: slot["pid"] for slot in pair.slots()}
        os.kill(pids[seats[jobs[0]]], signal.SIGKILL)
        for job_id in jobs:
            pair.wait_for_success(job_id)
            assert pair.hashes(job_id) == pair.hashes(pair.whole)
        assert pair.slots_of(jobs[1]) == [seats[jobs[1]]]
        assert {slot["slot"]: slot["pid"] for slot in pair.slots()}[seats[jobs[1]]] == pids[seats[jobs[1]]]
        assert pair.job(jobs[0])["resume"] == "exact"


@pytest.mark.parametrize("begins_on", [0, 1])
def test_job_preempted_on_one_gpu_goes_on_exactly_on_the_other(pair: Pair, begins_on: int) -> None:
    other = 1 - begins_on
    with pair.told():
        until(lambda: all(slot["worker"] and not slot["job_id"] for slot in pair.slots()), "a quiet house", WORK_S)
        pair.house.door.drain_slot(other)
        try:
            low = pair.again()
            pair.wait_for_blocks(low, 4)
            urgent = pair.submit("market-team", "presenter", priority=100)
            until(lambda: pair.seats().get(urgent) == begins_on, "the urgent job in its place", WORK_S)
        finally:
            pair.house.door.drain_slot(other, False)
        until(lambda: {low, urgent} <= set(pair.seats()) or pair.job(low)["finished_at"], "both at the same time", WORK_S)
        job = pair.wait_for_success(low)
        assert (pair.slots_of(low), job["preemptions"], job["resume"]) == ([begins_on, other], 1, "exact")
        assert pair.hashes(low) == pair.hashes(pair.whole)
        pair.wait_for_success(urgent)
