"""A running job's video: `init.mp4` and the block fragments shown as one growing file, with ranges. Nothing is decoded."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

READ_BYTES = 1 << 18


@dataclass(frozen=True)
class Part:
    """One file of the row. `size` in bytes is fixed: fragments are durable and never change once named."""

    path: Path
    size: int


class Stream:
    """Files in a row, read as one."""

    def __init__(self, parts: list[Part]) -> None:
        self._parts = parts
        self._ends = list(itertools.accumulate(part.size for part in parts))

    @property
    def size(self) -> int:
        """Bytes there are now."""
        return self._ends[-1] if self._ends else 0

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes [start, end). A file that has become shorter ends the stream early: never wrong bytes."""
        index = bisect.bisect_right(self._ends, start)
        position = start
        while position < end and index < len(self._parts):
            part = self._parts[index]
            begin = self._ends[index] - part.size
            stop = min(end, self._ends[index])
            with part.path.open("rb") as file:
                file.seek(position - begin)
                while position < stop:
                    data = file.read(min(READ_BYTES, stop - position))
                    if not data:
                        return
                    position += len(data)
                    yield data
            index += 1


def running_stream(job_dir: Path, fragment_bytes: list[int]) -> Stream | None:
    """The stream of a job whose blocks 0 … n-1 have these sizes (from the store); None before the first block is there.

    A fragment whose size on disk is another ends the row before it: what follows belongs to a later state.
    """
    init = job_dir / "init.mp4"
    if not fragment_bytes or not init.is_file():
        return None
    parts = [Part(init, init.stat().st_size)]
    for block, size in enumerate(fragment_bytes):
        path = job_dir / "blocks" / f"{block:06d}.m4s"
        if not path.is_file() or path.stat().st_size != size:
            break
        parts.append(Part(path, size))
    return Stream(parts) if len(parts) > 1 else None
