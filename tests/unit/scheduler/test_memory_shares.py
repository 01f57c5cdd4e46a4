"""Who holds the memory: jobs by name, the vault's weights, our processes; strangers are claimed by nobody."""

from __future__ import annotations

import os
from pathlib import Path

from engine import protocol
from scheduler.device_sensors import DeviceSensors
from scheduler.memory_shares import NAMED_JOBS, MemoryShares
from scheduler.probe import Probe, Reading

MIB = 1 << 20


def _vault(contexts: dict[str, int]) -> protocol.VaultStatus:
    files = {"a": 5 * MIB, "b": MIB}
    return protocol.VaultStatus(pid=1, files=files, contexts=contexts, conditions={"k": MIB}, limit_bytes=1 << 30)


def test_worker_and_context_of_a_job_are_one_share(tmp_path: Path) -> None:
    shares = MemoryShares(tmp_path, lambda: _vault({"j1": 3 * MIB}), lambda: {os.getpid(): "j1"}).of(Reading("cpu", {}))
    assert shares["weights"] == 6 * MIB
    assert shares["prepared"] == MIB
    assert shares["job:j1"] > 3 * MIB, "the worker's own memory counts as its job's"
    assert "greenroom" not in shares


def test_only_the_largest_contexts_have_names(tmp_path: Path) -> None:
    contexts = {f"j{number}": (number + 1) * MIB for number in range(NAMED_JOBS + 2)}
    shares = MemoryShares(tmp_path, lambda: _vault(contexts), dict).of(Reading("cpu", {}))
    assert shares["parked"] == 1 * MIB + 2 * MIB
    assert sum(size for owner, size in shares.items() if owner.startswith("job:")) == sum(contexts.values()) - 3 * MIB


def test_memory_of_a_strangers_process_is_claimed_by_nobody(tmp_path: Path) -> None:
    reading = Reading("gpu0", {"processes": [(os.getpid(), 7 * MIB), (1, 9 * MIB)]})
    assert MemoryShares(tmp_path, lambda: None, lambda: {os.getpid(): None}).of(reading) == {"greenroom": 7 * MIB}
    assert MemoryShares(tmp_path, lambda: None, dict).of(Reading("gpu0", {})) == {}, "a driver that says nothing"


def test_process_list_of_a_device_is_not_kept(tmp_path: Path) -> None:
    class Gpu(Probe):
        def read(self) -> list[Reading]:
            return [Reading("gpu0", {"memory_used_bytes": 1, "processes": [(1, 2)]})]

    sensors = DeviceSensors(tmp_path, 1, lambda: None, Gpu(), shares=lambda reading: {"greenroom": len(reading.body)})
    assert [reading.body for reading in sensors.read()] == [{"memory_used_bytes": 1, "shares": {"greenroom": 2}}]
