"""Model files on their way into the page cache while the program is still being imported. No torch."""

from __future__ import annotations

import os
import threading
from itertools import count
from pathlib import Path

THREADS = 4
PIECE_BYTES = 32 << 20


def read_ahead(model_dir: Path) -> None:
    """Start reading all weights of a directory, largest files first, and return at once.

    Whoever maps them then finds their pages in memory. Files that cannot be read are left to whoever needs them.
    """
    files = sorted(model_dir.glob("*.safetensors"), key=_size, reverse=True)
    pieces = [(file, offset) for file in files for offset in range(0, _size(file), PIECE_BYTES)]
    turns = count()
    for _ in range(THREADS):
        threading.Thread(target=_read, args=(pieces, turns), name="read-ahead", daemon=True).start()


def _read(pieces: list[tuple[Path, int]], turns: count[int]) -> None:
    """Take the next piece until there is none."""
    buffer = bytearray(PIECE_BYTES)
    while (turn := next(turns)) < len(pieces):
        file, offset = pieces[turn]
        try:
            descriptor = os.open(file, os.O_RDONLY)
        except OSError:
            continue
        try:
            os.preadv(descriptor, [buffer], offset)
        except OSError:
            continue
        finally:
            os.close(descriptor)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
