"""Messages as bytes: one frame is 4 bytes big-endian length and UTF-8 JSON."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import struct
import types
import typing
from typing import Any

from engine.errors import ProtocolError
from engine.protocol.message import REGISTER, Message

MAX_FRAME_BYTES = 4 << 20
_LENGTH = struct.Struct(">I")


def encode(message: Message) -> bytes:
    """One frame: 4 bytes big-endian length, then UTF-8 JSON `{"type": …, fields …}`."""
    body = json.dumps({"type": type(message).__name__, **dataclasses.asdict(message)}, separators=(",", ":")).encode()
    if len(body) > MAX_FRAME_BYTES:
        raise ProtocolError(f"{type(message).__name__} has {len(body)} bytes; at most {MAX_FRAME_BYTES} are allowed")
    return _LENGTH.pack(len(body)) + body


def decode(body: bytes) -> Message:
    """Inverse of `encode` without the length. Raises ProtocolError naming the type or field at fault."""
    try:
        data = json.loads(body)
        kind = REGISTER[data.pop("type")]
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise ProtocolError(f"not a message: {error}") from error
    except KeyError as error:
        raise ProtocolError(f"unknown message type {error}") from error
    fields = {f.name: f for f in dataclasses.fields(kind)}
    known = {name: value for name, value in data.items() if name in fields}
    hints = _hints(kind)
    for name, value in known.items():
        if not _fits(value, hints[name]):
            raise ProtocolError(f"{kind.__name__}.{name} should be {hints[name]}, not {value!r:.80}")
    try:
        return kind(**known)
    except TypeError as error:
        raise ProtocolError(f"{kind.__name__}: {error}") from error


_HINTS: dict[type, dict[str, Any]] = {}


def _hints(kind: type) -> dict[str, Any]:
    if kind not in _HINTS:
        _HINTS[kind] = typing.get_type_hints(kind)
    return _HINTS[kind]


def _fits(value: Any, hint: Any) -> bool:
    if isinstance(hint, types.UnionType):
        return any(_fits(value, part) for part in typing.get_args(hint))
    origin = typing.get_origin(hint) or hint
    if origin is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if origin is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return origin is Any or isinstance(value, origin)


class FrameReader:
    """Cuts a byte stream into messages; feed it whatever arrived."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Messages completed by `data`. Raises ProtocolError; the stream is then unusable."""
        self._buffer += data
        messages = []
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > MAX_FRAME_BYTES:
                raise ProtocolError(f"a frame of {length} bytes; at most {MAX_FRAME_BYTES} are allowed")
            if len(self._buffer) < _LENGTH.size + length:
                break
            messages.append(decode(bytes(self._buffer[_LENGTH.size : _LENGTH.size + length])))
            del self._buffer[: _LENGTH.size + length]
        return messages


def send(sock: socket.socket, message: Message, file_descriptor: int | None = None) -> None:
    """Send one message, blocking; with its descriptor where the type has one."""
    assert (file_descriptor is not None) == message.has_file_descriptor, type(message).__name__
    frame = encode(message)
    if file_descriptor is None:
        sock.sendall(frame)
        return
    sent = socket.send_fds(sock, [frame], [file_descriptor])
    sock.sendall(frame[sent:])


def receive(sock: socket.socket) -> tuple[Message, int | None]:
    """Receive one message, blocking, and the descriptor that came with it. Raises EOFError when the peer is gone."""
    descriptors: list[int] = []
    try:
        (length,) = _LENGTH.unpack(_read_exactly(sock, _LENGTH.size, descriptors))
        if length > MAX_FRAME_BYTES:
            raise ProtocolError(f"a frame of {length} bytes; at most {MAX_FRAME_BYTES} are allowed")
        message = decode(_read_exactly(sock, length, descriptors))
        if len(descriptors) != int(message.has_file_descriptor):
            raise ProtocolError(f"{type(message).__name__} came with {len(descriptors)} file descriptors")
    except (OSError, EOFError, ProtocolError):
        for descriptor in descriptors:  # nobody else knows of them
            os.close(descriptor)
        raise
    return message, descriptors[0] if descriptors else None


def _read_exactly(sock: socket.socket, count: int, descriptors: list[int]) -> bytes:
    """So many bytes; the descriptors that came with them are put to `descriptors`."""
    data = bytearray()
    while len(data) < count:
        chunk, fds, _, _ = socket.recv_fds(sock, count - len(data), 4)
        descriptors += fds
        if not chunk:
            raise EOFError("the peer closed the connection")
        data += chunk
    return bytes(data)
