"""Pinned host memory of exactly the size that is asked for: torch's own allocator rounds up to a power of two."""

from __future__ import annotations

import mmap
import weakref

import torch
from torch import Tensor


def pinned(size: int) -> Tensor:
    """Zero-filled bytes [size] that the device reads and writes directly; unpinned when the last view of them is gone.

    Raises torch.cuda.CudaError (an out-of-memory one where the host has no more to pin).
    """
    buffer = mmap.mmap(-1, size)
    whole = torch.frombuffer(buffer, dtype=torch.uint8)
    whole.zero_()  # takes the pages now: the driver would take them with its lock held, and every launch would wait for that
    address = whole.data_ptr()
    runtime = torch.cuda.cudart()
    torch.cuda.check_error(int(runtime.cudaHostRegister(address, size, 0)))
    weakref.finalize(whole.untyped_storage(), _release, runtime, address, buffer)
    return whole


def _release(runtime: object, address: int, _buffer: mmap.mmap) -> None:
    """The mapping is held until here, so the address is still ours."""
    runtime.cudaHostUnregister(address)  # type: ignore[attr-defined]
