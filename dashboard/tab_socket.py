"""Writing to a tab from the thread that speaks, while the tab keeps up.

The library hands every message to a thread per tab, which frames it anew: fifty tabs are fifty threads that wake for each
message, and a submission that arrives then waits for all of them. Here a message becomes a WebSocket frame once (RFC 6455,
section 5.2: a server's frames are not masked, and one that is not compressed is always allowed) and goes out at once where
the connection has room. A tab that lags has its messages queued as before, in their order, and is waited for by its own
thread alone.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
import threading
from typing import Any

from engineio.async_drivers._websocket_wsgi import SimpleWebSocketWSGI
from flask_socketio import SocketIO

MOST_UNSENT = 32_768  # bytes that a peer may not have taken yet; beyond, a write could have to wait
_TEXT = 0x81  # a whole text message in one frame
_SHORT, _TWO_BYTES = 126, 0x10000


class TabSocket(SimpleWebSocketWSGI):  # type: ignore[misc]
    """The library's socket of one tab, which also sends for its Engine.IO peer."""

    def __init__(self, handler: Any, server: Any, **kwargs: Any) -> None:
        super().__init__(handler, server, **kwargs)
        self.peer = handler.__self__
        self._lock = threading.Lock()
        self._queued = self.peer.queue.qsize()  # messages that the tab's own thread has still to write
        self.peer.send = self.pass_on

    def pass_on(self, packet: Any) -> None:
        """Send a packet now, or queue it behind those that wait. Raises SocketIsClosedError as the library does."""
        if not self.peer.check_ping_timeout():
            return
        with self._lock:
            if self._queued == 0 and self._goes_out(packet):
                return
            self._queued += 1
            self.peer.queue.put(packet)

    def send(self, message: str | bytes) -> None:
        """A queued message, written by the tab's own thread; waits for the peer."""
        super().send(message)
        with self._lock:
            self._queued -= 1

    def _goes_out(self, packet: Any) -> bool:
        """Whether the packet was written without waiting. Nobody else writes: nothing is queued, and the lock is held."""
        if packet.binary or not self.ws.connected:
            return False
        frame = frame_of(packet)
        try:
            if unsent_bytes(self.ws.sock) + len(frame) > MOST_UNSENT:
                return False
            sent = self.ws.sock.send(frame, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except (OSError, ValueError):  # gone, or closed at this moment: the thread that reads notices, and ends the tab
            return True
        if sent < len(frame):  # half a frame cannot be taken back
            self.ws.sock.shutdown(socket.SHUT_RDWR)
        return True


def use_tab_sockets(socketio: SocketIO) -> None:
    """Make all tabs of this server such sockets."""
    driver = socketio.server.eio
    driver._async = {**driver._async, "websocket": TabSocket}


def frame_of(packet: Any) -> bytes:
    """The packet as a WebSocket frame; made once, though many tabs are sent the same packet."""
    known: bytes | None = getattr(packet, "frame", None)
    if known is None:
        data = packet.encode().encode()
        size = len(data)
        if size < _SHORT:
            head = struct.pack("!BB", _TEXT, size)
        elif size < _TWO_BYTES:
            head = struct.pack("!BBH", _TEXT, _SHORT, size)
        else:
            head = struct.pack("!BBQ", _TEXT, _SHORT + 1, size)
        known = packet.frame = head + data
    return known


def unsent_bytes(connection: socket.socket) -> int:
    """What the peer has not taken yet."""
    answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
    return int(struct.unpack("i", answer)[0])
