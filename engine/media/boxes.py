"""The outermost boxes of an mp4: enough to tell a whole file from the fragments that follow a header."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from engine.errors import MediaError


def box_types(path: Path) -> list[str]:
    """Types of the outermost boxes in order, such as ["ftyp", "moov"]. Raises MediaError for anything else.

    Sizes are checked against the file's length, so a truncated file is found without decoding it.
    """
    try:
        with path.open("rb") as file:
            return _box_types(path, file, path.stat().st_size)
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}.") from error


def _box_types(path: Path, file: BinaryIO, length: int) -> list[str]:
    types: list[str] = []
    at = 0
    while at < length:
        file.seek(at)
        head = file.read(16)
        size, name = struct.unpack(">I4s", head[:8]) if len(head) >= 8 else (0, b"")
        if size == 1 and len(head) == 16:
            (size,) = struct.unpack(">Q", head[8:])
        if size < 8 or at + size > length or not name.isalnum():
            raise MediaError(
                f"{path} is no mp4 file or is cut off at byte {at} of {length}.", hint="Make this part again."
            )
        types.append(name.decode("ascii"))
        at += size
    if not types:
        raise MediaError(f"{path} is empty.", hint="Make this part again.")
    return types
