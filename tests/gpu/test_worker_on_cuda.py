"""The real worker on a CUDA device, with a real vault beside it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

if not torch.cuda.is_available():
    pytest.skip("no CUDA device", allow_module_level=True)
pytest.importorskip("av", reason="video is encoded with PyAV")
pytest.importorskip("ftfy", reason="prompts are cleaned with ftfy")

from safetensors.torch import save_file

from engine import protocol
from engine.catalog import SHAPES
from engine.config import AdapterUse
from engine.model.hashes import hash_file
from engine.model.pocket import write_pocket
from engine.model.random_weights import random_adapter
from engine.worker.__main__ import EXIT_ORPHANED
from tests.integration.vault_rig import VaultProcess
from tests.integration.worker_rig import JobKit, WorkerProcess, hashes

BLOCKS = 5


class House:
    """A model, a vault, and workers that come and go."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.model_dir = folder, folder / "model"
        write_pocket(self.model_dir)
        self.vault = VaultProcess(folder / "vault.sock").start()
        self.kit = JobKit(folder / "assets", blocks=BLOCKS, infer_frames=24)
        self.workers: list[WorkerProcess] = []

    def worker(self) -> WorkerProcess:
        worker = WorkerProcess(
            "engine.worker", env={"GREENROOM_DEVICE": "cuda"}, log=self.folder / f"log-{len(self.workers)}",
            vault_socket=str(self.vault.socket_path), model_dir=str(self.model_dir), worker_id=f"w{len(self.workers)}",
        )  # fmt: skip
        self.workers.append(worker)
        ready = worker.wait_for(protocol.WorkerReady)
        assert ready.device == "cuda" and ready.software["gpu"]
        return worker

    def order(self, name: str, from_block: int = 0) -> protocol.RunJob:
        return self.kit.order(self.folder / name, job_id=name, lease_id=f"{name}-{from_block}", from_block=from_block)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("house"))
    try:
        yield house
    finally:
        for worker in house.workers:
            worker.close()
        house.vault.stop()


def test_job_on_a_device_is_preempted_and_goes_on_with_the_same_bits(house: House) -> None:
    worker = house.worker()
    for name in ("quiet", "disturbed"):
        worker.say(house.order(name))
        if name == "disturbed":
            worker.wait_for(protocol.BlockStarted)
            worker.say(protocol.PreemptJob("disturbed-0"))
            preempted = worker.finish_job()
            assert isinstance(preempted, protocol.JobPreempted) and 1 <= preempted.blocks_done < BLOCKS
            worker.heard.clear()
            worker.say(house.order("disturbed", preempted.blocks_done))
            assert isinstance(worker.finish_job(), protocol.JobSucceeded)
            assert worker.all_of(protocol.JobStarted)[0].resume == "exact"
        else:
            assert isinstance(worker.finish_job(), protocol.JobSucceeded)
    assert hashes(house.folder / "disturbed") == hashes(house.folder / "quiet")
    record = json.loads((house.folder / "quiet" / "blocks" / "000000.json").read_bytes())
    assert record["made_with"]["device"] == "cuda"


def test_job_whose_worker_died_on_a_device_goes_on_exactly_and_without_its_vault_continuously(house: House) -> None:
    first = house.worker()
    first.say(house.order("quiet twin"))
    assert isinstance(first.finish_job(), protocol.JobSucceeded)
    first.say(house.order("orphan"))
    done = first.wait_for(protocol.BlockDone, where=lambda report: report.lease_id == "orphan-0" and report.block == 1)
    first.process.kill()
    first.drain()
    second = house.worker()
    second.say(house.order("orphan", done.block + 1))
    assert isinstance(second.finish_job(), protocol.JobSucceeded)
    assert second.all_of(protocol.JobStarted)[0].resume == "exact"
    assert hashes(house.folder / "orphan") == hashes(house.folder / "quiet twin")
    second.say(house.order("twice orphaned"))
    done = second.wait_for(protocol.BlockDone, where=lambda report: report.lease_id == "twice orphaned-0")
    house.vault.kill()
    second.drain()
    assert second.process.returncode == EXIT_ORPHANED, "its weights and contexts are gone with the vault"
    house.vault.start()
    third = house.worker()
    third.say(house.order("twice orphaned", done.block + 1))
    assert isinstance(third.finish_job(), protocol.JobSucceeded)
    assert third.all_of(protocol.JobStarted)[0].resume == "continuous"
    assert len(hashes(house.folder / "twice orphaned")) == BLOCKS


def test_adapters_change_the_character_on_a_device_and_leave_nothing(house: House) -> None:
    worker, path = house.worker(), house.folder / "captain.safetensors"
    save_file(random_adapter(SHAPES["pocket"], "cpu", 4, 0.5), str(path))
    use = AdapterUse(name="captain", sha256=hash_file(path), alpha=4.0)
    found = {}
    for name, is_captain in (("captain", True), ("generic", False), ("captain again", True)):
        recipe = {**house.kit.recipe.to_json(), "adapters": [vars(use)] if is_captain else []}
        paths = [str(path)] if is_captain else []
        worker.say(dataclasses.replace(house.order(name), recipe=recipe, adapter_paths=paths))
        assert isinstance(worker.finish_job(), protocol.JobSucceeded)
        found[name] = hashes(house.folder / name)
    assert found["captain"] == found["captain again"] != found["generic"]
