"""The vault's memory on a CUDA device, with real processes that are killed."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

if not torch.cuda.is_available():
    pytest.skip("no CUDA device", allow_module_level=True)

from engine.adapters import Adapter
from engine.catalog import SHAPES
from engine.config import Settings
from engine.memory.offload import Offload
from engine.model.block_engine import BlockEngine
from engine.model.context import Context
from engine.model.random_weights import random_adapter, random_conditions, random_engine
from engine.model.slab import Keep, NeedsContent, build_shared, travelling
from engine.vault.client import VaultClient, VaultFull, VaultGone
from engine.vault.device_client import DeviceClient
from engine.vault.device_memory import DeviceMemoryError, Driver
from engine.worker.device_memory import CudaMapper, SharedDevice
from tests.integration.vault_rig import VaultProcess

MIB = 1 << 20
SETTINGS = Settings(size="192*128", steps=3, seed=7)
SMALL = dataclasses.replace(SHAPES["pocket"], dim=256, ffn_dim=512, num_heads=4, dtype="bfloat16")
ON_HOST = Offload(text_weights=True)
WRITER = """
import os, signal, sys, torch
from engine.vault.client import VaultClient
from engine.vault.device_client import DeviceClient
from engine.worker.device_memory import CudaMapper, SharedDevice
torch.zeros(1, device="cuda")
shared = SharedDevice(DeviceClient(VaultClient(sys.argv[1], "worker:writer")), CudaMapper())
context = shared.open_context("job", 64 << 20, "layout", 0)
context.view(torch.int32).copy_(torch.arange(16 << 20, dtype=torch.int32, device="cuda"))
torch.cuda.synchronize()
print("written", flush=True)
x = torch.randn(4096, 4096, device="cuda")
while True:
    x = x @ x
"""


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[VaultProcess]:
    process = VaultProcess(tmp_path / "vault.sock").start()
    yield process
    process.stop()


def shared(client: VaultClient) -> SharedDevice:
    torch.zeros(1, device="cuda")
    return SharedDevice(DeviceClient(client, claim_s=0.0), CudaMapper())


def test_context_outlives_a_worker_that_was_killed_inside_a_kernel(vault: VaultProcess) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(vault.socket_path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None and writer.stdout.readline() == b"written\n"
    writer.kill()
    writer.wait()
    writer.stdout.close()
    device = shared(vault.client("worker:reader"))
    context = device.open_context("job", 64 * MIB, "layout", 0)
    assert torch.equal(context.view(torch.int32), torch.arange(16 << 20, dtype=torch.int32, device="cuda"))
    device.close_context("job")
    assert int(device.open_context("job", 64 * MIB, "another layout", 0).max()) == 0, "another layout is another context"
    assert vault.status().device_contexts == {"job": 64 * MIB}


def test_memory_goes_back_when_a_context_is_dropped_and_when_the_vault_dies(vault: VaultProcess) -> None:
    client = vault.client("worker:1")
    device, driver = shared(client), Driver(0)
    device.open_context("small", MIB, "layout", 0)
    free, _ = driver.free_bytes()
    device.open_context("large", 4096 * MIB, "layout", 0)
    assert driver.free_bytes()[0] <= free - 4096 * MIB
    device.close_context("large")
    client.drop_context("large")
    assert driver.free_bytes()[0] == free
    with pytest.raises(VaultFull, match="are free on the device"):
        device.open_context("huge", 4096 * MIB, "layout", 1 << 50)
    vault.kill()
    assert driver.free_bytes()[0] >= free
    with pytest.raises(VaultGone, match="the vault ended"):
        device.open_context("another", MIB, "layout", 0)
    assert client.is_orphaned and not client.mend()


def test_weights_are_filled_once_and_mapped_by_others(vault: VaultProcess) -> None:
    first, second = (shared(vault.client(f"worker:{n}")) for n in range(2))
    weights, fingerprint = first.open("network", 8 * MIB)
    assert not fingerprint and int(weights.max()) == 0
    weights.fill_(7)
    torch.cuda.synchronize()
    first.seal("network", "f00d")
    # the driver opens an allocation once per process: the second mapping is the first one's memory
    again, fingerprint = second.open("network", 8 * MIB)
    assert fingerprint == "f00d" and int(again.min()) == 7
    assert vault.status().device_weights == {"network": 8 * MIB}


def test_handle_that_is_none_is_refused() -> None:
    with pytest.raises(DeviceMemoryError, match="cuIpcOpenMemHandle"):
        Driver(0).open(bytes(64))
    with pytest.raises(DeviceMemoryError, match="of 3 bytes"):
        Driver(0).open(b"abc")


def test_adapter_of_one_worker_changes_nothing_for_another_with_the_same_weights(vault: VaultProcess) -> None:
    """The second worker's weights are the first one's memory, whose side columns hold an adapter."""

    def engine(device: SharedDevice) -> BlockEngine:
        def build(keep: Keep, needs: NeedsContent) -> BlockEngine:
            return random_engine(SMALL, "cuda", "fp8", adapter_rank=8, offload=ON_HOST, keep=keep, needs=needs)

        return build_shared(device, "small", build, travelling(ON_HOST, SMALL.num_layers))

    def latents(of: BlockEngine) -> torch.Tensor:
        layout = of.layout(128, 64, SETTINGS.steps)
        context = Context(layout, torch.zeros(layout.total_bytes, dtype=torch.uint8, device="cuda"))
        of.begin(context, given, SETTINGS)
        return of.make_block(context, given, SETTINGS, 0).latents

    given = random_conditions(SMALL, 128, 64, "cuda", 24)
    alone = latents(random_engine(SMALL, "cuda", "fp8", adapter_rank=8, offload=ON_HOST))
    clients = [vault.client(f"worker:{n}") for n in range(2)]
    first, second = engine(shared(clients[0])), engine(shared(clients[1]))
    (weights,) = vault.status().device_weights.values()
    assert weights > 0 and torch.equal(latents(first), alone)
    character = second.fit([Adapter.of(random_adapter(SMALL, "cuda", 8, 0.5), 8.0, "captain")])
    second.attach(character)
    changed = latents(second)
    assert not torch.equal(changed, alone) and torch.equal(latents(first), alone)
    third = shared(vault.client("worker:2"))
    assert torch.equal(latents(engine(third)), alone), "what a dead worker left attached is no harm"
    second.attach(None)
    assert torch.equal(latents(second), alone)
