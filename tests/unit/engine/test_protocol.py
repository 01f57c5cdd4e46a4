"""The wire: what is sent arrives, what is not a message is named."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import socket
import typing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import protocol
from engine.errors import ProtocolError
from engine.protocol import FrameReader, Message, decode, encode
from engine.protocol.message import REGISTER

KINDS = list(REGISTER.values())
_VALUES: dict[object, st.SearchStrategy[typing.Any]] = {
    int: st.integers(-(2**53), 2**53),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: st.text(st.characters(exclude_categories=("Cs",)), max_size=40),
    bool: st.booleans(),
    str | None: st.none() | st.text("ab", max_size=3),
    int | None: st.none() | st.integers(0, 99),
    list[str]: st.lists(st.text("ab", max_size=3), max_size=3),
    dict[str, typing.Any]: st.dictionaries(st.text("ab", max_size=3), st.integers() | st.text("ab") | st.none()),
    dict[str, str]: st.dictionaries(st.text("ab", max_size=3), st.text("ab", max_size=3)),
    dict[str, int]: st.dictionaries(st.text("ab", max_size=3), st.integers(0, 99)),
    dict[str, float]: st.dictionaries(st.text("ab", max_size=3), st.floats(0, 1)),
}


def _messages(kind: type[Message]) -> st.SearchStrategy[Message]:
    hints = typing.get_type_hints(kind)
    return st.builds(kind, **{field.name: _VALUES[hints[field.name]] for field in dataclasses.fields(kind)})


any_message = st.sampled_from(KINDS).flatmap(_messages)


@given(st.lists(any_message, max_size=5), st.data())
def test_messages_arrive_however_the_stream_is_cut(messages: list[Message], data: st.DataObject) -> None:
    stream = b"".join(encode(message) for message in messages)
    reader, heard = FrameReader(), list[Message]()
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        heard += reader.feed(stream[:cut])
        stream = stream[cut:]
    assert heard == messages


@given(st.binary(max_size=200))
def test_garbage_is_a_protocol_error_and_nothing_else(body: bytes) -> None:
    for deed in (lambda: decode(body), lambda: FrameReader().feed(body)):
        with contextlib.suppress(ProtocolError):
            deed()


def test_unknown_field_is_ignored_and_unknown_type_is_not() -> None:
    newer = {"type": "PreemptJob", "lease_id": "l", "reason": "a field of tomorrow"}
    assert decode(json.dumps(newer).encode()) == protocol.PreemptJob("l")
    with pytest.raises(ProtocolError, match="unknown message type 'StealJob'"):
        decode(b'{"type": "StealJob"}')


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ('{"type": "BlockStarted", "lease_id": 7, "block": 1}', r"BlockStarted\.lease_id"),
        ('{"type": "BlockStarted", "lease_id": "l", "block": true}', r"BlockStarted\.block"),
        ('{"type": "BlockStarted", "lease_id": "l"}', "missing 1 required"),
        ('{"type": ["BlockStarted"]}', "not a message"),
        ('["BlockStarted"]', "not a message"),
        ('{"type": "Message"}', "unknown message type"),
        ("[" * 100_000, "not a message"),
    ],
)
def test_wrong_field_is_named(body: str, what: str) -> None:
    with pytest.raises(ProtocolError, match=what):
        decode(body.encode())


def test_frame_that_claims_too_much_is_refused_before_it_is_read() -> None:
    with pytest.raises(ProtocolError, match="4294967295 bytes"):
        FrameReader().feed(b"\xff\xff\xff\xff")
    with pytest.raises(ProtocolError, match="at most"):
        encode(protocol.PrepareRole("r", "role", "x" * protocol.MAX_FRAME_BYTES, "", {}))


def test_descriptor_travels_with_its_message_and_no_other() -> None:
    ours, theirs = socket.socketpair()
    read_end, write_end = os.pipe()
    protocol.send(ours, protocol.Mapped(bytes=5), write_end)
    os.close(write_end)
    message, descriptor = protocol.receive(theirs)
    assert message == protocol.Mapped(bytes=5) and descriptor is not None
    os.write(descriptor, b"hello")
    os.close(descriptor)
    assert os.read(read_end, 9) == b"hello"
    socket.send_fds(ours, [encode(protocol.StopWorker())], [descriptor_of_nobody := os.dup(read_end)])
    os.close(descriptor_of_nobody)
    open_before = set(Path("/proc/self/fd").iterdir())
    with pytest.raises(ProtocolError, match="1 file descriptors"):
        protocol.receive(theirs)
    assert set(Path("/proc/self/fd").iterdir()) == open_before, "what came with no right message is closed"
    os.close(read_end)
    ours.sendall(encode(protocol.Mapped(bytes=5)))
    with pytest.raises(ProtocolError, match="0 file descriptors"):
        protocol.receive(theirs)
    ours.sendall(encode(protocol.StopWorker())[:3])
    ours.close()
    with pytest.raises(EOFError):
        protocol.receive(theirs)
    theirs.close()
