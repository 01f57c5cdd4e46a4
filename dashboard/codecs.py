"""Reads from the head of an MP4 file which codecs are in it, as a browser's MediaSource wants to hear it (RFC 6381)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl"}
_HEAD = struct.Struct(">I4s")
_VIDEO_FIELDS, _AUDIO_FIELDS = 78, 28  # bytes of a sample entry before its own boxes


def mime_type(head: bytes) -> str:
    """`video/mp4; codecs="avc1.640015, mp4a.40.2"`, or plain `video/mp4` where the codecs are not known to us."""
    found = list(_codecs(head))
    known = [codec for codec in found if codec is not None]
    return f'video/mp4; codecs="{", ".join(known)}"' if known and len(known) == len(found) else "video/mp4"


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position + _HEAD.size <= len(data):
        size, kind = _HEAD.unpack_from(data, position)
        if size < _HEAD.size:  # 0 and 1 (to the end, 64 bits) do not occur in a header
            return
        yield kind, data[position + _HEAD.size : position + size]
        position += size


def _codecs(data: bytes) -> Iterator[str | None]:
    for kind, body in _boxes(data):
        if kind in _CONTAINERS:
            yield from _codecs(body)
        elif kind == b"stsd":
            for entry, content in _boxes(body[8:]):
                yield _codec(entry, content)


def _codec(entry: bytes, content: bytes) -> str | None:
    if entry in (b"avc1", b"avc3"):
        config = dict(_boxes(content[_VIDEO_FIELDS:])).get(b"avcC", b"")
        return f"{entry.decode()}.{config[1:4].hex()}" if len(config) >= 4 else None
    if entry == b"mp4a":
        return _aac(dict(_boxes(content[_AUDIO_FIELDS:])).get(b"esds", b""))
    return {b"Opus": "opus", b"fLaC": "flac"}.get(entry)


def _aac(esds: bytes) -> str | None:
    """`mp4a.40.<object type>` from the decoder configuration inside nested, length-prefixed descriptors."""
    position = 4  # version and flags
    while position < len(esds):
        tag, position = esds[position], position + 1
        while position < len(esds) and esds[position] & 0x80:  # length: seven bits per byte
            position += 1
        position += 1
        if tag == 0x03:
            position += 3  # stream id and flags
        elif tag == 0x04:
            if position >= len(esds) or esds[position] != 0x40:
                return None
            position += 13
        elif tag == 0x05 and position < len(esds):
            return f"mp4a.40.{esds[position] >> 3}"
        else:
            return None
    return None
