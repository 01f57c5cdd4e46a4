"""The vault's memory on a CUDA device, with real processes that are killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

if not torch.cuda.is_available():
    pytest.skip("no CUDA device", allow_module_level=True)

from engine.vault.client import VaultClient, VaultFull, VaultGone
from engine.vault.device_client import DeviceClient
from engine.vault.device_memory import DeviceMemoryError, Driver
from engine.worker.device_memory import CudaMapper, SharedDevice
from tests.integration.vault_rig import VaultProcess

MIB = 1 << 20
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
