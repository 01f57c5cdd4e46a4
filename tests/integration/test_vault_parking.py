"""Contexts that leave their device and come back, with a real vault. Memory files stand for the devices: the way is the same."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from engine.catalog import SHAPES
from engine.config import Settings
from engine.model.context import Context
from engine.model.random_weights import random_conditions, random_engine
from engine.protocol import BringContext, LetGoOfContext, VaultStatus
from engine.vault.client import VaultRefusal
from engine.vault.device_client import DeviceClient
from engine.worker.device_memory import FileMapper, SharedDevice
from tests.integration.vault_rig import VaultProcess

MIB = 1 << 20
ROOM_MIB = 160  # of each device
DYING = """
import sys
from engine.vault.client import VaultClient
from engine.vault.device_client import DeviceClient
DeviceClient(VaultClient(sys.argv[1], "worker:dying")).open_context("first", 100 << 20, "layout", 0)
print("opened", flush=True)
"""


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[VaultProcess]:
    process = VaultProcess(tmp_path / "vault.sock", device_files_gib=ROOM_MIB / 1024, devices=2, park_gib=0.5).start()
    yield process
    process.stop()


def worker(vault: VaultProcess, name: str, device: int = 0) -> SharedDevice:
    return SharedDevice(DeviceClient(vault.client(f"worker:{name}", device=device)), FileMapper())


def wait(vault: VaultProcess, what: Callable[[VaultStatus], bool]) -> VaultStatus:
    for _ in range(1000):
        if what(status := vault.status()):
            return status
        time.sleep(0.02)
    raise AssertionError(f"it never came to that: {status}")


def test_job_whose_context_was_parked_goes_on_with_the_same_bits_on_another_device(vault: VaultProcess) -> None:
    engine, settings = random_engine(SHAPES["pocket"], "cpu", "plain"), Settings(size="192*128", steps=3, seed=7)
    given = random_conditions(SHAPES["pocket"], 128, 96, "cpu", 120)
    layout = engine.layout(128, 96, settings.steps)
    assert layout.total_bytes < ROOM_MIB * MIB

    def play(context: Context, blocks: range) -> list[torch.Tensor]:
        made = []
        for block in blocks:
            made.append(engine.make_block(context, given, settings, block).latents)
            context.flip(block + 1)
        return made

    in_peace = Context(layout, bytearray(layout.total_bytes))
    engine.begin(in_peace, given, settings)
    want = play(in_peace, range(3))

    first, second = worker(vault, "first", 0), worker(vault, "second", 1)
    context = Context(layout, first.open_context("job", layout.total_bytes, "layout", 0))
    engine.begin(context, given, settings)
    got = play(context, range(2))
    del context
    first.close_context("job")
    first.open_context("large", ROOM_MIB * MIB, "layout", 0)
    assert vault.status().parked_contexts == {"job": layout.total_bytes}
    context = Context(layout, second.open_context("job", layout.total_bytes, "layout", 0))
    assert context.blocks_done == 2
    got += play(context, range(2, 3))
    assert all(torch.equal(one, two) for one, two in zip(want, got, strict=True))


def test_copies_are_made_ahead_of_need_and_cost_the_next_job_nothing(vault: VaultProcess) -> None:
    device = worker(vault, "one")
    device.open_context("first", 70 * MIB, "layout", 0).fill_(1)
    device.close_context("first")
    device.open_context("second", 70 * MIB, "layout", 0).fill_(2)
    wait(vault, lambda status: status.copied_bytes == 70 * MIB)
    device.close_context("second")
    device.open_context("third", 70 * MIB, "layout", 0)
    status = vault.status()
    assert status.parked_contexts == {"first": 70 * MIB} and set(status.device_contexts) == {"second", "third"}
    device.close_context("third")
    assert int(device.open_context("first", 70 * MIB, "layout", 0).min()) == 1


def test_parked_context_comes_back_ahead_of_need_on_the_daemons_word(vault: VaultProcess) -> None:
    device, daemon = worker(vault, "one"), vault.client("daemon")
    device.open_context("first", 100 * MIB, "layout", 0).fill_(1)
    device.close_context("first")
    device.open_context("second", 100 * MIB, "layout", 0)
    assert set(vault.status().parked_contexts) == {"first"}
    daemon.tell(BringContext(job_id="first", device=1))
    status = wait(vault, lambda status: not status.parked_contexts)
    assert status.device_contexts == {"first": 100 * MIB, "second": 100 * MIB} and status.copied_bytes == 100 * MIB
    assert int(worker(vault, "two", 1).open_context("first", 100 * MIB, "layout", 0).min()) == 1
    with pytest.raises(VaultRefusal, match="device 7 is none"):
        daemon.tell(BringContext(job_id="first", device=7))


def test_memory_that_is_short_is_given_back_at_once_and_copies_stay(vault: VaultProcess) -> None:
    device, daemon = worker(vault, "one"), vault.client("daemon")
    device.open_context("first", 70 * MIB, "layout", 0)
    device.close_context("first")
    device.open_context("second", 70 * MIB, "layout", 0)
    wait(vault, lambda status: status.copied_bytes == 70 * MIB)
    for job in ("first", "second"):
        daemon.tell(LetGoOfContext(job_id=job))
    status = vault.status()
    assert status.parked_contexts == {"first": 70 * MIB} and set(status.device_contexts) == {"second"}, "one is in use"


def test_worker_killed_while_its_context_is_brought_leaves_it_to_the_next(vault: VaultProcess) -> None:
    device = worker(vault, "one")
    device.open_context("first", 100 * MIB, "layout", 0).fill_(1)
    device.close_context("first")
    device.open_context("second", 100 * MIB, "layout", 0)
    device.close_context("second")
    vault.client("daemon").drop_context("second")
    for delay_s in (0.0, 0.01, 0.02, 0.05):
        dying = subprocess.Popen([sys.executable, "-c", DYING, str(vault.socket_path)], stdout=subprocess.PIPE)
        time.sleep(0.15 + delay_s)
        dying.kill()
        dying.wait()
        assert dying.stdout is not None
        dying.stdout.close()
    assert int(device.open_context("first", 100 * MIB, "layout", 0).min()) == 1
    assert vault.status().device_contexts == {"first": 100 * MIB}


def test_others_are_served_while_a_context_is_moved(vault: VaultProcess) -> None:
    device, looker = worker(vault, "one"), vault.client("looker")
    here, there, seen = "first", "second", set[int]()
    device.open_context(here, 150 * MIB, "layout", 0)
    for _ in range(20):  # copies are made ahead of need: where this test is held up, nothing is left to be moved
        device.close_context(here)
        mover = threading.Thread(target=device.open_context, args=(there, 150 * MIB, "layout", 0))
        mover.start()
        while mover.is_alive():
            seen.add(looker.status().copied_bytes % (150 * MIB))
        mover.join()
        if seen > {0}:
            return
        here, there = there, here
    raise AssertionError("nobody was served in the midst of a move")
