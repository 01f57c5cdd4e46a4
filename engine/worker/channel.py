"""The worker's line to the daemon: reports from several threads out, commands in."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator

from engine import protocol


class Channel:
    """A stream socket. `say` blocks until the daemon's buffer has room; `beat` never does."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._lock = threading.Lock()

    def say(self, message: protocol.Message) -> None:
        """Send a report. Raises OSError when the daemon is gone."""
        with self._lock:
            protocol.send(self._socket, message)

    def beat(self, heartbeat: protocol.Heartbeat) -> None:
        """Send a heartbeat, or leave it out where something else is being sent or the daemon does not read."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if select.select([], [self._socket], [], 0)[1]:
                protocol.send(self._socket, heartbeat)
        finally:
            self._lock.release()

    def hear(self) -> protocol.Message:
        """The next command. Raises EOFError when the daemon is gone, ProtocolError when it talks nonsense."""
        return protocol.receive(self._socket)[0]

    def commands(self) -> Iterator[protocol.Message]:
        """Commands until the daemon is gone. Raises ProtocolError."""
        while True:
            try:
                yield self.hear()
            except (EOFError, OSError):
                return
