"""The header of a safetensors file: which tensors, of which kind, where; and what a file is that has none."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedReader
from math import prod
from typing import Any

from engine.errors import WeightsError

DTYPE_BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "I64": 8, "I32": 4, "U8": 1, "BOOL": 1,
}  # fmt: skip
LARGEST_HEADER = 100_000_000  # bytes; the format's own limit
HINT = "Fetch or convert this file again."
_POINTER_HINT = (
    "Only the pointer was fetched: run `git lfs pull` in that repository, or fetch the file with its download tool."
)


@dataclass(frozen=True)
class Entry:
    """One tensor: kind in the format's spelling, shape, first and last byte in the file."""

    dtype: str
    shape: tuple[int, ...]
    first: int
    last: int

    @property
    def bytes(self) -> int:
        """Its size."""
        return self.last - self.first


def read_header(buffer: memoryview, name: str) -> dict[str, Entry]:
    """Tensors of a safetensors image, in file order. Raises WeightsError that names the file and what it is instead."""
    entries, _ = _read(lambda first, last: bytes(buffer[first:last]), len(buffer), name)
    return entries


def read_beginning(file: BufferedReader, size: int, name: str) -> tuple[dict[str, Entry], dict[str, str]]:
    """(tensors, metadata) of an open file, of which no more than the header is read. Raises as `read_header` does."""

    def part(first: int, last: int) -> bytes:
        file.seek(first)
        return file.read(last - first)

    return _read(part, size, name)


def _read(part: Callable[[int, int], bytes], size: int, name: str) -> tuple[dict[str, Entry], dict[str, str]]:
    explain_other_file(part(0, 512), name)
    try:
        (length,) = struct.unpack("<Q", part(0, 8))
        if length > LARGEST_HEADER:
            raise ValueError(f"a header of {length} bytes; it is no safetensors file")
        start = 8 + length
        if start > size:
            raise ValueError(f"its header would end at byte {start} of {size}: it was cut off")
        header = json.loads(part(8, start))
        metadata = dict(header.pop("__metadata__", None) or {})
        entries = {key: _entry(entry, start, f"{key}: ") for key, entry in header.items()}
        _check_end(entries, start, size)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error) as error:
        raise WeightsError(f"{name} is damaged: {_words(error)}.", hint=HINT, file=name, problem="damaged") from error
    return dict(sorted(entries.items(), key=lambda item: item[1].first)), metadata


def explain_other_file(beginning: bytes, name: str) -> None:
    """Raises WeightsError for what people get instead of a large file: a pointer, a web page, nothing."""
    if not beginning:
        raise WeightsError(f"{name} is empty.", hint=HINT, file=name, problem="empty")
    text = beginning.lstrip()[:16].lower()
    if beginning.startswith(b"version https://git-lfs"):
        what = f"{name} is a Git LFS pointer, not the file itself."
        raise WeightsError(what, hint=_POINTER_HINT, file=name, problem="pointer")
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        hint = "The server answered with an error page: look into it, then fetch the file again."
        raise WeightsError(f"{name} is a web page, not weights.", hint=hint, file=name, problem="web_page")
    if text.startswith(b'{"error'):
        what = f"{name} is a server's error message, not weights."
        raise WeightsError(what, hint=HINT, file=name, problem="server_error")
    if not any(beginning):
        hint = "A download that reserved its room and never finished looks like this: fetch the file again."
        raise WeightsError(f"{name} begins with zeros only.", hint=hint, file=name, problem="zeros")


def _entry(entry: dict[str, Any], start: int, what: str) -> Entry:
    dtype, shape, (first, last) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    if dtype not in DTYPE_BYTES:
        raise ValueError(f"{what}numbers of kind {dtype} are not known")
    if not all(type(n) is int and n >= 0 for n in (first, last, *shape)):
        raise ValueError(f"{what}shape {list(shape)} from {first!r} to {last!r}")
    if last - first != prod(shape) * DTYPE_BYTES[dtype]:
        raise ValueError(f"{what}{last - first} bytes for {prod(shape)} numbers")
    return Entry(dtype, shape, start + first, start + last)


def _check_end(entries: dict[str, Entry], start: int, size: int) -> None:
    """Tensors follow one another without holes up to the file's end."""
    at = start
    for name, entry in sorted(entries.items(), key=lambda item: item[1].first):
        if entry.first != at:
            raise ValueError(f"{name} begins at byte {entry.first} instead of {at}")
        at = entry.last
    if at > size:
        raise ValueError(f"it was cut off: {size} bytes instead of {at}, {at - size} are missing")
    if at < size:
        raise ValueError(f"{size} bytes instead of {at}: {size - at} too many")


def _words(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"an entry of its header has no {error}"
    return str(error)
