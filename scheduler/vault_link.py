"""The daemon's line to the vault: frees contexts of ended jobs and reads what the vault holds. Survives a vault restart.

An order to free that was lost (the daemon or the vault died in between, a worker gave a new vault what it still held) shows
as a context of a job that has ended: it is freed when it is seen. A vault that hangs is killed; the launcher starts the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

from engine import protocol
from engine.errors import ProtocolError

RETRY_S = 0.5
STATUS_EVERY_S = 1.0
HANGING_FROM_S = 1.0  # an answer that takes longer is told of; nothing that it does takes so long
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid of the listening process
_log = logging.getLogger("greenroom.vault")


class VaultLink:
    """Keeps one connection; what is to be dropped waits while the vault is away (a new vault holds nothing anyway)."""

    def __init__(
        self, socket_path: Path, on_change: Callable[[bool, str, float], None], is_open: Callable[[str], bool],
        silent_s: Callable[[], float],
    ) -> None:  # fmt: skip
        """`on_change`: there or not, why, after how much silence. `is_open`: whether the job of a context may still need it.

        `silent_s`: a vault that does not answer for so long hangs; it never does anything long at a stretch.
        """
        self.status: protocol.VaultStatus | None = None
        self._path = socket_path
        self._on_change, self._is_open, self._silent_s = on_change, is_open, silent_s
        self._to_ask: asyncio.Queue[protocol.Message] = asyncio.Queue()
        self._asked_at: float | None = None  # while an answer is owed

    @property
    def silent_s(self) -> float:
        """For how long it has owed an answer; 0 while it owes none, or not for long."""
        owed_s = 0.0 if self._asked_at is None else time.monotonic() - self._asked_at
        return owed_s if owed_s >= HANGING_FROM_S else 0.0

    def drop_context(self, job_id: str) -> None:
        """Free a job's context, now or when the vault is back."""
        self._to_ask.put_nowait(protocol.DropContext(job_id=job_id))

    def let_go_of_context(self, job_id: str) -> None:
        """Free a waiting job's context on its device, now or when the vault is back; a copy in host memory stays."""
        self._to_ask.put_nowait(protocol.LetGoOfContext(job_id=job_id))

    def bring_context(self, job_id: str, slot: int) -> None:
        """The job is expected on the slot: what was parked of it comes back meanwhile. Worth nothing once the vault was away."""
        if self.status is not None:
            self._to_ask.put_nowait(protocol.BringContext(job_id=job_id, device=slot))

    def drop_caches(self) -> None:
        """Let go of prepared conditions and unused files, now or when the vault is back."""
        self._to_ask.put_nowait(protocol.DropCaches())

    async def run(self) -> None:
        """Connect, serve, reconnect; for ever."""
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._path))
            except OSError:
                await asyncio.sleep(RETRY_S)
                continue
            cause, waited_s = "ended", 0.0
            try:
                await self._serve(reader, writer)
            except TimeoutError:
                cause, waited_s = "silent", self._silent_s()
                _kill_peer(writer, waited_s)
            except (OSError, EOFError, ProtocolError, asyncio.IncompleteReadError):
                waited_s = self.silent_s
                cause = "silent" if waited_s else "ended"  # silent: somebody else ended it while it hung
            finally:
                self._asked_at = None
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
                if self.status is not None:
                    self.status = None
                    self._on_change(False, cause, waited_s)
            await asyncio.sleep(RETRY_S)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = protocol.VaultHello(version=protocol.PROTOCOL_VERSION, owner="daemon")
        await self._ask(reader, writer, hello)
        while True:
            answer = await self._ask(reader, writer, protocol.AskVaultStatus())
            if not isinstance(answer, protocol.VaultStatus):
                raise ProtocolError(f"the vault answered {type(answer).__name__} to AskVaultStatus")
            is_new = self.status is None or self.status.pid != answer.pid
            self.status = answer
            if is_new:
                self._on_change(True, "", 0.0)
            for job_id in (*answer.contexts, *answer.device_contexts, *answer.parked_contexts):
                if not self._is_open(job_id):
                    await self._ask(reader, writer, protocol.DropContext(job_id=job_id))
            try:
                wish = await asyncio.wait_for(self._to_ask.get(), STATUS_EVERY_S)
            except TimeoutError:
                continue
            await self._ask(reader, writer, wish)

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: protocol.Message
    ) -> protocol.Message:
        self._asked_at = time.monotonic()
        async with asyncio.timeout(self._silent_s()):
            writer.write(protocol.encode(message))
            await writer.drain()
            head = await reader.readexactly(4)
            answer = protocol.decode(await reader.readexactly(int.from_bytes(head, "big")))
        self._asked_at = None
        return answer


def _kill_peer(writer: asyncio.StreamWriter, waited_s: float) -> None:
    """SIGKILL the process at the other end. It is there still: were it gone, the connection would have ended instead."""
    raw = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid = _CREDENTIALS.unpack(raw)[0]
    _log.error("the vault (process %d) hangs: nothing for %.0f s; it is killed", pid, waited_s)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
