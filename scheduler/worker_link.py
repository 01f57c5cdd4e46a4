"""One worker process as the daemon sees it: its process, its socket, and what it last said it was doing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from engine import protocol
from engine.errors import ProtocolError
from scheduler import gpus
from scheduler.last_words import last_words
from scheduler.memory_kinds import PeakMark
from scheduler.spawn import ProcessList, python_module, spawn

GAP_MEMORY = 0.98  # per heartbeat: a wide gap is forgotten after a minute or so
LINGER_S = 1.0  # a worker that closed its socket has so long to end by itself


@dataclass(frozen=True)
class WorkerPlace:
    """Everything a new worker needs to be told or started with."""

    program: str  # "engine.worker" or "engine.fake"
    vault_socket: Path
    model_dir: Path
    log_dir: Path
    threads: int
    heartbeat_s: float
    env: dict[str, str] = field(default_factory=dict)

    def environment(self, slot: int) -> dict[str, str]:
        """What a worker of this slot finds in its environment beside its parent's."""
        return {"OMP_NUM_THREADS": str(self.threads), **gpus.of_slot(os.environ, slot), **self.env}


class WorkerLink(asyncio.Protocol):
    """A started worker. Messages arrive through `on_message`, its end (once) through `on_end(cause)`."""

    def __init__(
        self,
        worker_id: str,
        slot: int,
        place: WorkerPlace,
        on_message: Callable[[WorkerLink, protocol.Message], None],
        on_end: Callable[[WorkerLink, str], None],
    ) -> None:
        self.worker_id = worker_id
        self.slot = slot
        self.ready: protocol.WorkerReady | None = None
        self.heartbeat = protocol.Heartbeat(phase="starting")
        self.started_at = time.monotonic()
        self.heard_at = self.started_at  # last sign of life
        self.moved_at = self.started_at  # last change of block, step or phase
        self.is_further = False  # its last heartbeat told of a step where it had not been since its last block
        self.renewed_at = 0.0  # when the core was told so last
        self.has_made_block = False
        self.peak = PeakMark()
        self.widest_gap_s = place.heartbeat_s  # between heartbeats lately: a busy machine is no dead worker
        self.block_deadline_s: float | None = None  # of the job it runs; None: nothing was learnt yet
        self.silent_s, self.deadline_s = 0.0, 0.0  # why it was judged: how long nothing came, and what was allowed
        self._log_start = 0
        self._place = place
        self._on_message = on_message
        self._on_end = on_end
        self._places: set[protocol.Heartbeat] = set()
        self._reader = protocol.FrameReader()
        self._transport: asyncio.Transport | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self._is_over = False
        self._kill_cause: str | None = None
        self._linger: asyncio.TimerHandle | None = None

    @property
    def is_leaving(self) -> bool:
        """Its end is ordered or has begun: nothing more can be asked of it."""
        return self._kill_cause is not None or self._linger is not None

    @property
    def _log_path(self) -> Path:
        return self._place.log_dir / f"worker-{self.slot}.jsonl"

    @property
    def last_words(self) -> str:
        """What it said last in its log (several workers of a slot share one)."""
        return last_words(self._log_path, self._log_start)

    @property
    def pid(self) -> int:
        """The worker's process id."""
        assert self._process is not None
        return self._process.pid

    async def start(self, processes: ProcessList) -> None:
        """Start the program and listen to it. Must run on the main thread (see `scheduler.spawn`).

        Raises OSError when the machine refuses; nothing is left then.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with self._log_path.open("ab") as log:
                self._log_start = log.tell()
                self._process = spawn(
                    "worker",
                    python_module(self._place.program, "--control-fd", str(theirs.fileno())),
                    processes,
                    pass_fds=(theirs.fileno(),),
                    env=self._place.environment(self.slot),
                    log=log,
                )
            self._pidfd = os.pidfd_open(self._process.pid)
        except OSError:
            ours.close()
            if self._process is not None:
                self._process.kill()
                self._process.wait()
            raise
        finally:
            theirs.close()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._pidfd, self._exited)
        await loop.create_connection(lambda: self, sock=ours)

    def send(self, message: protocol.Message) -> None:
        """Queue a message; never blocks, also when the worker is stopped. Lost when the worker is gone."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(protocol.encode(message))

    def stop(self) -> None:
        """Tell the worker to end; however it then ends, the cause is "stopped"."""
        self._kill_cause = self._kill_cause or "stopped"
        self.send(protocol.StopWorker())

    def forgive(self, seconds: float) -> None:
        """The daemon itself stood still for so long: nothing of that is the worker's silence."""
        self.heard_at += seconds
        self.moved_at += seconds

    def judge(self, cause: str, silent_s: float, deadline_s: float) -> None:
        """Kill it because nothing came for longer than allowed. The first verdict counts: its end may take a while."""
        if not self.is_leaving:
            self.silent_s, self.deadline_s = silent_s, deadline_s
        self.kill(cause)

    def kill(self, cause: str) -> None:
        """SIGKILL the worker's process group; its end arrives as `on_end(cause)`."""
        if self._process is None or self._process.poll() is not None:
            return
        self._kill_cause = self._kill_cause or cause
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    # ---- asyncio.Protocol --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Bytes from the worker; a worker that talks nonsense is killed."""
        try:
            messages = self._reader.feed(data)
        except ProtocolError:
            self.kill("protocol")
            return
        for message in messages:
            self._note(message)
            self._on_message(self, message)

    def _note(self, message: protocol.Message) -> None:
        now = time.monotonic()
        self.widest_gap_s = max(self.widest_gap_s * GAP_MEMORY, now - self.heard_at)
        self.heard_at = now
        if isinstance(message, protocol.Heartbeat):
            if message != self.heartbeat:
                self.moved_at = now
            self.heartbeat = message
            self.is_further = message.lease_id is not None and message not in self._places
            self._places.add(message)  # who goes round in circles does not get on
        else:
            self.moved_at = now
        if isinstance(message, protocol.WorkerReady):
            self.ready = message
            self.widest_gap_s = self._place.heartbeat_s  # importing holds everything up; that is over
        elif isinstance(message, protocol.BlockDone):
            self.has_made_block = True
            self._places.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        """The worker closed its socket: it is ending, or must end soon. Its exit says why, so that is waited for."""
        if not self._is_over:
            self._linger = asyncio.get_running_loop().call_later(LINGER_S, self.kill, "exited")

    def _exited(self) -> None:
        """The process is gone (its pidfd became readable)."""
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        assert self._process is not None
        code = self._process.wait()
        if self._transport is not None:
            self._transport.abort()
        if self._linger is not None:
            self._linger.cancel()
        if not self._is_over:
            self._is_over = True
            natural = "exited" if code >= 0 else "killed" if code == -signal.SIGKILL else "crashed"
            cause = self._kill_cause or natural
            self._on_end(self, cause)
