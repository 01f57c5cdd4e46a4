"""The daemon's line to a real vault."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from scheduler.vault_link import VaultLink
from tests.integration.vault_rig import VaultProcess


def test_context_of_an_ended_job_is_freed_though_the_order_was_lost(tmp_path: Path) -> None:
    vault = VaultProcess(tmp_path / "vault.sock").start()
    client = vault.client("worker:w1")

    async def scene() -> None:
        changed = asyncio.Event()
        link = VaultLink(vault.socket_path, lambda *_: changed.set(), lambda job_id: job_id == "running", lambda: 10.0)
        running = asyncio.get_running_loop().create_task(link.run())
        async with asyncio.timeout(20):
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
