"""Is a child of the launcher alive, or only there? The daemon beats and says when it is ready, the web must answer, and
nobody may stand stopped.

No threads: the launcher forks, and a fork beside threads can hang.
"""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import Protocol

PROBE_EVERY_S = 1.0
CONNECT_S = 0.25
BEAT, READY = b".", b"r"


class Watch(Protocol):
    """A sign of life that keeps coming."""

    heard_at: float | None

    @property
    def is_ready(self) -> bool:
        """Whether it has said that it does its work."""

    def restart(self) -> None:
        """A new process begins: it has said nothing yet."""

    def look(self, now: float) -> None:
        """Take in what came. Call often; never blocks for long."""


class BeatPipe:
    """A pipe into which a child writes a beat now and then, and once that it is ready."""

    def __init__(self) -> None:
        self._read, self.write_end = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self.write_end, False)
        self.heard_at: float | None = None
        self.is_ready = False

    def restart(self) -> None:
        """Forget the beats of the process before."""
        self._drain()
        self.heard_at, self.is_ready = None, False

    def look(self, now: float) -> None:
        """Anything new?"""
        if said := self._drain():
            self.heard_at = now
            self.is_ready |= READY in said

    def close(self) -> None:
        """Give the descriptors back."""
        os.close(self._read)
        os.close(self.write_end)

    def _drain(self) -> bytes:
        said = b""
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self._read, 65536):
                said += part
        return said


class HttpProbe:
    """Asks an address once per second, one question at a time, and takes any HTTP answer as a sign of life."""

    def __init__(self, host: str, port: int, path: str) -> None:
        self._address = (host, port)
        self._question = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()  # kept alive: see `close`
        self._sock: socket.socket | None = None
        self._asked_at = 0.0
        self.heard_at: float | None = None

    def restart(self) -> None:
        """What was asked of the process before is void."""
        self.close()
        self.heard_at = None

    @property
    def is_ready(self) -> bool:
        """Who answers does its work."""
        return self.heard_at is not None

    def look(self, now: float) -> None:
        """Take an answer in, or ask again where the last question is answered, refused or too old."""
        if self._sock is not None:
            with contextlib.suppress(BlockingIOError):
                try:
                    if self._sock.recv(64).startswith(b"HTTP/"):
                        self.heard_at = now
                    self.close()
                except OSError as error:
                    if isinstance(error, BlockingIOError):
                        raise
                    self.close()
        if now - self._asked_at >= PROBE_EVERY_S:
            self._ask(now)

    def close(self) -> None:
        """Hang up. A server that is told to close first waits for its peer to do so, in the thread that accepts: gunicorn
        would serve nobody until we look again."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _ask(self, now: float) -> None:
        self.close()
        self._asked_at = now
        try:
            self._sock = socket.create_connection(self._address, CONNECT_S)
            self._sock.sendall(self._question)
            self._sock.setblocking(False)
        except OSError:
            self.close()


class StoppedLook:
    """Since when a process is stopped (SIGSTOP, a debugger): it is there, but does nothing."""

    def __init__(self, *, with_forks: bool = False) -> None:
        """`with_forks`: those that it forked count as well, since they do its work."""
        self._with_forks = with_forks
        self._since: float | None = None

    def seconds(self, pid: int, now: float) -> float:
        """How long it has been stopped; 0 when it is not."""
        if not any(is_stopped(one) for one in (pid, *(children(pid) if self._with_forks else ()))):
            self._since = None
            return 0.0
        self._since = now if self._since is None else self._since
        return now - self._since


def children(pid: int) -> list[int]:
    """Living processes that the main thread of a process forked."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def is_stopped(pid: int) -> bool:
    """Whether the process is there and stopped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt"
    except OSError:
        return False
