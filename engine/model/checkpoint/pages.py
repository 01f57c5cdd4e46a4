"""Letting go of mapped pages: a file that was read through a mapping counts as this process's memory until then."""

from __future__ import annotations

import ctypes
import mmap
from pathlib import Path

from torch import Tensor

_libc = ctypes.CDLL(None, use_errno=True)
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_DONT_NEED = 4  # MADV_DONTNEED: the next look reads the file again


class MappedPages:
    """The mappings of some files in this process. Tensors elsewhere (copies, shared memory) are left alone."""

    def __init__(self, *paths: Path) -> None:
        self._ranges = _ranges({str(path.resolve()) for path in paths})

    def forget(self, tensor: Tensor) -> None:
        """Let go of the whole pages that a tensor lies in, if it lies in this file's mapping."""
        first = tensor.data_ptr()
        last = first + tensor.numel() * tensor.element_size()
        if not any(start <= first and last <= end for start, end in self._ranges):
            return
        start = -(-first // mmap.PAGESIZE) * mmap.PAGESIZE
        end = last // mmap.PAGESIZE * mmap.PAGESIZE
        if end > start:
            _libc.madvise(start, end - start, _DONT_NEED)


def _ranges(paths: set[str]) -> list[tuple[int, int]]:
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return []  # no such file here: memory is only let go of later
    found = []
    for line in lines:
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[5] in paths:
            first, last = (int(edge, 16) for edge in fields[0].split("-"))
            found.append((first, last))
    return found
