"""Device memory of a real vault, shared by real processes. Memory files stand for the device: the way is the same."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from engine.errors import SettingsError
from engine.vault.client import VaultBusy, VaultClient, VaultFull, VaultGone
from engine.vault.device_client import DeviceClient
from engine.worker.device_memory import FileMapper, SharedDevice
from engine.worker.store import PlainStore
from tests.integration.vault_rig import VaultProcess

MIB = 1 << 20
WORKER = """
import sys, time
from engine.vault.client import VaultClient
from engine.vault.device_client import DeviceClient
from engine.worker.device_memory import FileMapper, SharedDevice
shared = SharedDevice(DeviceClient(VaultClient(sys.argv[1], "worker:killed")), FileMapper())
half, fingerprint = shared.open("half filled", 2 << 20)
half.fill_(1)
whole, _ = shared.open("whole", 2 << 20)
whole.fill_(2)
shared.seal("whole", "f00d")
shared.claim(True)
shared.open_context("job", 2 << 20, "layout", 0).fill_(3)
print("written", flush=True)
time.sleep(600)
"""


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[VaultProcess]:
    process = VaultProcess(tmp_path / "vault.sock", limit_gib=16 / 1024, device_files_gib=16 / 1024).start()
    yield process
    process.stop()


def shared(client: VaultClient) -> SharedDevice:
    return SharedDevice(DeviceClient(client, filling_s=0.0), FileMapper())


def test_killed_worker_leaves_whole_weights_and_its_context_and_nothing_else(vault: VaultProcess) -> None:
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(vault.socket_path)], stdout=subprocess.PIPE)
    assert worker.stdout is not None and worker.stdout.readline() == b"written\n"
    client = vault.client("worker:next")
    device = shared(client)
    with pytest.raises(VaultBusy, match="is loading"):
        device.open("half filled", 2 * MIB)
    assert vault.status().device_owners == {"worker:killed": 6 * MIB}
    worker.kill()
    worker.wait()
    worker.stdout.close()
    weights, fingerprint = device.open("whole", 2 * MIB)
    assert fingerprint == "f00d" and int(weights.min()) == 2
    device.claim(True)  # the vault may hear of the death a moment later: it is asked again
    again, fingerprint = device.open("half filled", 2 * MIB)
    assert not fingerprint and int(again.max()) == 0, "what was half filled begins anew"
    context = device.open_context("job", 2 * MIB, "layout", 0)
    assert torch.equal(context, torch.full((2 * MIB,), 3, dtype=torch.uint8))
    status = vault.status()
    assert status.device_contexts == {"job": 2 * MIB} and set(status.device_weights) == {"half filled", "whole"}
    assert not status.contexts and not status.owners, "host memory is another matter"
    client.drop_context("job")
    assert not vault.status().device_contexts
    client.close()


def test_sharing_can_be_switched_off_and_only_by_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENROOM_DEVICE_SHARING", "off")
    assert SharedDevice.of(VaultClient("nowhere", "worker:alone")) is None
    monkeypatch.setenv("GREENROOM_DEVICE_SHARING", "no")
    with pytest.raises(SettingsError, match="GREENROOM_DEVICE_SHARING is 'no'"):
        SharedDevice.of(VaultClient("nowhere", "worker:alone"))
    monkeypatch.delenv("GREENROOM_DEVICE_SHARING")
    assert SharedDevice.of(PlainStore()) is None


def test_worker_that_maps_device_memory_ends_with_its_vault(vault: VaultProcess) -> None:
    client, other = vault.client("worker:bound"), vault.client("worker:free")
    device = shared(client)
    with pytest.raises(VaultFull, match="are free on the device"):
        device.open_context("job", 17 * MIB, "layout", 0)
    assert client.mend() and not client.is_orphaned
    device.open_context("job", MIB, "layout", 0)
    other.status()
    vault.kill()
    assert not client.mend() and client.is_orphaned
    vault.start()
    assert other.mend() and other.status().device_contexts == {}
    with pytest.raises(VaultGone, match="the vault ended"):
        device.open_context("job", MIB, "layout", 0)
    for one in (client, other):
        one.close()
