"""The daemon's line to a real vault."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from scheduler.vault_link import HANGING_FROM_S, VaultLink
from tests.integration.vault_rig import VaultProcess


def test_context_of_an_ended_job_is_freed_though_the_order_was_lost(tmp_path: Path) -> None:
    vault = VaultProcess(tmp_path / "vault.sock").start()
    client = vault.client("worker:w1")

    async def scene() -> None:
        changed = asyncio.Event()
        link = VaultLink(vault.socket_path, lambda *_: changed.set(), lambda job_id: job_id == "running", lambda: 10.0)
        running = asyncio.get_running_loop().create_task(link.run())
        async with asyncio.timeout(120):
            await changed.wait()
            while "ended" in vault.status().contexts:
                await asyncio.sleep(0.01)
        assert set(vault.status().contexts) == {"running"}
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    try:
        for job_id in ("running", "ended"):
            client.open_context(job_id, 4096, "layout")
        asyncio.run(scene())
    finally:
        client.close()
        vault.stop()


def test_vault_that_somebody_else_ends_while_it_hangs_was_silent_and_for_how_long(tmp_path: Path) -> None:
    vault = VaultProcess(tmp_path / "vault.sock").start()
    process = vault.process
    assert process is not None
    told: list[tuple[bool, str, float]] = []

    async def scene() -> None:
        link = VaultLink(vault.socket_path, lambda *change: told.append(change), lambda job_id: True, lambda: 60.0)
        running = asyncio.get_running_loop().create_task(link.run())
        async with asyncio.timeout(120):
            while not told:
                await asyncio.sleep(0.01)
            os.kill(process.pid, signal.SIGSTOP)
            while not link.silent_s:
                await asyncio.sleep(0.01)
            os.kill(process.pid, signal.SIGKILL)
            while len(told) < 2:
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    try:
        asyncio.run(scene())
    finally:
        vault.stop()
    assert [change[:2] for change in told] == [(True, ""), (False, "silent")]
    assert told[1][2] >= HANGING_FROM_S


def test_vault_that_hangs_is_killed(tmp_path: Path) -> None:
    vault = VaultProcess(tmp_path / "vault.sock").start()
    assert vault.process is not None
    os.kill(vault.process.pid, signal.SIGSTOP)

    async def scene() -> int:
        link = VaultLink(vault.socket_path, lambda *_: None, lambda job_id: True, lambda: 0.2)
        running = asyncio.get_running_loop().create_task(link.run())
        try:
            return await asyncio.to_thread(vault.wait)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    assert asyncio.run(scene()) == -signal.SIGKILL
