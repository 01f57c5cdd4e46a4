"""Memory files (memfd): shared memory without a name, so that nothing is left behind when its last user is gone.

Every file is sealed against resizing: whoever maps one can never be hurt (SIGBUS) by somebody else who shortens it.
Files that only one process writes (weights, conditions) are sealed against writing as well.
"""

from __future__ import annotations

import fcntl
import mmap
import os

SIZE_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
ALL_SEALS = SIZE_SEALS | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


def create_zeroed(name: str, size: int) -> int:
    """A writable, zero-filled memory file that nobody can resize or seal further. The caller owns it."""
    descriptor = create_open(name, size)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SIZE_SEALS | fcntl.F_SEAL_SEAL)
    return descriptor


def create_open(name: str, size: int) -> int:
    """A memory file of `size` bytes that is still to be filled; `seal_for_good` ends that. The caller owns it."""
    descriptor = os.memfd_create(name[:200], os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, size)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def create_filled(name: str, data: bytes | bytearray | memoryview) -> int:
    """A read-only memory file that holds `data`. The caller owns it."""
    view = memoryview(data).cast("B")
    descriptor = create_open(name, len(view))
    try:
        write_all(descriptor, view)
        seal_for_good(descriptor)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def write_all(descriptor: int, data: memoryview) -> None:
    """Write all of `data` at the descriptor's position."""
    while data:
        data = data[os.write(descriptor, data) :]


def seal_for_good(descriptor: int) -> None:
    """From now on nobody can change this file. Raises OSError (EBUSY) while somebody maps it writable."""
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, ALL_SEALS)


def has_seals(descriptor: int, seals: int) -> bool:
    """Whether this is a memory file with at least these seals."""
    try:
        return fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & seals == seals
    except OSError:
        return False  # not a memory file at all


def size_of(descriptor: int) -> int:
    """Bytes."""
    return os.fstat(descriptor).st_size


def map_readonly(descriptor: int) -> memoryview:
    """The file's bytes, shared and read-only. The mapping outlives the descriptor and ends with the last view of it."""
    if size_of(descriptor) == 0:
        return memoryview(b"")  # the kernel maps no empty file
    return memoryview(mmap.mmap(descriptor, 0, mmap.MAP_SHARED, mmap.PROT_READ))


def map_writable(descriptor: int) -> mmap.mmap:
    """The file's bytes, shared and writable."""
    return mmap.mmap(descriptor, 0, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)


def is_same(one: int, other: int) -> bool:
    """Whether both descriptors are the same memory file."""
    return os.path.samestat(os.fstat(one), os.fstat(other))


def close(descriptor: int) -> None:
    """Give up one descriptor; the memory lives as long as anybody else holds or maps the file."""
    os.close(descriptor)


def copy(descriptor: int) -> int:
    """A second descriptor of the same memory file, for a new owner."""
    return os.dup(descriptor)
