"""A slot's GPU: the worker of slot n asks the vault for memory of device n. Memory files stand for the devices."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.vault_rig import VaultProcess

MIB = 1 << 20
Start = Callable[[int], VaultProcess]
# A process of its own, as a worker is: it ends with the vault whose memory it maps.
WORKER = """
import sys
from engine.errors import EngineError
from engine.protocol import PROTOCOL_VERSION, Welcome
from engine.vault.device_client import DeviceClient
from engine.worker.__main__ import open_vault
from engine.worker.device_memory import FileMapper, SharedDevice
welcome = Welcome(
    version=PROTOCOL_VERSION, worker_id="w1", slot=int(sys.argv[2]), vault_socket=sys.argv[1], model_dir="", heartbeat_s=1.0
)
device = SharedDevice(DeviceClient(open_vault(welcome)), FileMapper())
try:
    _, fingerprint = device.open("network", 12 << 20)
    device.seal("network", "f00d")
    print("filled" if not fingerprint else "found")
except EngineError as error:
    print(error)
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start(devices)` → a vault that owns so many."""
    made: list[VaultProcess] = []

    def vault(devices: int) -> VaultProcess:
        made.append(VaultProcess(tmp_path / "vault.sock", device_files_gib=16 / 1024, devices=devices).start())
        return made[-1]

    yield vault
    for one in made:
        one.stop()


def worker(vault: VaultProcess, slot: int) -> str:
    """What a worker of this slot says when it opens its weights."""
    command = [sys.executable, "-c", WORKER, str(vault.socket_path), str(slot)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=250).stdout.strip()


def test_each_slot_fills_the_weights_of_its_own_gpu_and_finds_them_there(start: Start) -> None:
    vault = start(2)
    assert worker(vault, 0) == "filled"
    assert worker(vault, 1) == "filled", "the other GPU's copy is none of this one"
    assert vault.status().device_weights == {"network": 12 * MIB, "network@gpu1": 12 * MIB}


def test_slot_that_the_vault_has_no_gpu_for_is_refused_by_number(start: Start) -> None:
    assert "device 1 is none of this vault's 1" in worker(start(1), 1)
