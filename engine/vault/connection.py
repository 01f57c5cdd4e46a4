"""One client of the vault: bytes and descriptors in, messages out and back."""

from __future__ import annotations

import socket
from collections import deque

from engine.errors import ProtocolError
from engine.protocol import FrameReader, Message, OpenFile, encode
from engine.vault import memory_file
from engine.vault.device_holdings import Opening
from engine.vault.file_load import FileLoad

MAX_WAITING_DESCRIPTORS = 8
MAX_WAITING_MESSAGES = 64
_CHUNK = 1 << 18


class Client:
    """One connection. Its methods raise OSError, EOFError or ProtocolError when it is to be given up."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.socket = sock
        self.owner: str | None = None  # None: has not said hello
        self.device = 0  # whose memory it asks for
        self.files: set[str] = set()  # paths that it has opened
        self.load: tuple[FileLoad, OpenFile] | None = None  # its oldest request waits for this
        self.opening: Opening | None = None  # its oldest request waits for this
        self.inbox: deque[Message] = deque()
        self.is_ending = False  # to be given up when everything is sent
        self._reader = FrameReader()
        self._descriptors: deque[int] = deque()  # came in, not yet claimed by a message
        self._outbox: deque[tuple[bytes, int | None]] = deque()

    @property
    def has_unsent(self) -> bool:
        """Whether answers wait for the client to read."""
        return bool(self._outbox)

    def read(self) -> None:
        """Take in what arrived."""
        try:
            data, descriptors, flags, _ = socket.recv_fds(self.socket, _CHUNK, MAX_WAITING_DESCRIPTORS)
        except BlockingIOError:
            return
        self._descriptors.extend(descriptors)
        if flags & socket.MSG_CTRUNC or len(self._descriptors) > MAX_WAITING_DESCRIPTORS:
            raise ProtocolError("too many file descriptors")
        if not data:
            raise EOFError
        self.inbox.extend(self._reader.feed(data))
        if len(self.inbox) > MAX_WAITING_MESSAGES:
            raise ProtocolError("too many requests at once")

    def claim(self, message: Message) -> int | None:
        """The descriptor that belongs to `message`, now the caller's."""
        if not message.has_file_descriptor:
            return None
        if not self._descriptors:
            raise ProtocolError(f"{type(message).__name__} came without its file descriptor")
        return self._descriptors.popleft()

    def put(self, message: Message, descriptor: int | None = None) -> None:
        """Queue an answer; a copy of `descriptor` travels with it."""
        self._outbox.append((encode(message), None if descriptor is None else memory_file.copy(descriptor)))

    def send(self) -> None:
        """Send what the client takes now."""
        while self._outbox:
            frame, descriptor = self._outbox[0]
            try:
                sent = socket.send_fds(self.socket, [frame], [] if descriptor is None else [descriptor])
            except BlockingIOError:
                break
            self._outbox.popleft()
            if descriptor is not None:
                memory_file.close(descriptor)
            if sent < len(frame):
                self._outbox.appendleft((frame[sent:], None))
        if len(self._outbox) > MAX_WAITING_MESSAGES:
            raise ProtocolError("the client does not read its answers")
        if self.is_ending and not self._outbox:
            raise EOFError

    def close(self) -> None:
        """Close the socket and every descriptor that is still on its way."""
        self.socket.close()
        for descriptor in (*self._descriptors, *(fd for _, fd in self._outbox if fd is not None)):
            memory_file.close(descriptor)
        self._descriptors.clear()
        self._outbox.clear()
