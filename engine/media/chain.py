"""Several files read as one: a stream's header and the fragments that follow it."""

from __future__ import annotations

import io
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO


class FileChain(io.RawIOBase):
    """Files read as if they were one, at most one open at a time."""

    def __init__(self, files: list[Path]) -> None:
        super().__init__()
        self._files = files
        self._starts = [0, *accumulate(file.stat().st_size for file in files)]
        self._at = 0
        self._open: tuple[int, BinaryIO] | None = None

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Bytes from the first file's start."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As of any file."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, b"" at the end; never across the end of one of the files."""
        index = bisect_right(self._starts, self._at) - 1
        if index >= len(self._files):
            return b""
        if self._open is None or self._open[0] != index:
            self._close_file()
            self._open = (index, self._files[index].open("rb"))
        file = self._open[1]
        file.seek(self._at - self._starts[index])
        data = file.read(size)
        self._at += len(data)
        return data

    def close(self) -> None:
        """Closes the file that is open."""
        self._close_file()
        super().close()

    def _close_file(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None
