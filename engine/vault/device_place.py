"""Where the vault's device memory comes from: the GPU's driver, or memory files in its place (tests, machines without one).

Memory is known by the descriptor that travels to whoever maps it: a memory file that holds the driver's handle, or is the
memory itself.
"""

from __future__ import annotations

import mmap
import os
from typing import Any, Protocol

from engine.vault import memory_file
from engine.vault.device_memory import DeviceFull, Driver


class Place(Protocol):
    """Memory of one device. Everything may raise DeviceMemoryError, `create` DeviceFull."""

    def create(self, name: str, size: int) -> int:
        """Zero-filled memory; the descriptor belongs to this place."""
        ...

    def free(self, descriptor: int) -> None:
        """Give it back; who maps it keeps it until it ends."""
        ...

    def free_bytes(self) -> int:
        """What the device has left, all processes counted."""
        ...

    def host_block(self, size: int) -> Any:
        """Host memory that copies go to and come from at the link's full speed; this place's or any other's of its kind."""
        ...

    def drop_host_block(self, block: Any) -> None:
        """Give it back."""
        ...

    def copy_out(self, descriptor: int, offset: int, block: Any, size: int) -> None:
        """Device memory from `offset` on into a block; it is there when this returns."""
        ...

    def copy_in(self, descriptor: int, offset: int, block: Any, size: int) -> None:
        """A block into device memory from `offset` on; it is there when this returns."""
        ...

    def copy_to(self, other: Any, source: int, target: int, offset: int, size: int) -> None:
        """This device's memory into that of another place of the same kind, the same part; it is there when this returns."""
        ...


class CudaPlace:
    """Plain allocations of the driver. The device is not touched before the first one is asked for."""

    def __init__(self, ordinal: int = 0) -> None:
        self._ordinal = ordinal
        self._driver: Driver | None = None
        self._addresses: dict[int, int] = {}

    def create(self, name: str, size: int) -> int:
        """Allocate; the memory file is sealed and holds the handle."""
        driver = self._open()
        address = driver.allocate(size)
        descriptor = memory_file.create_filled(name, driver.handle(address))
        self._addresses[descriptor] = address
        return descriptor

    def free(self, descriptor: int) -> None:
        """Free the allocation and its handle."""
        self._open().free(self._addresses.pop(descriptor))
        memory_file.close(descriptor)

    def free_bytes(self) -> int:
        """As the driver says."""
        return self._open().free_bytes()[0]

    def host_block(self, size: int) -> Any:
        """Its address; pinned for every device."""
        return self._open().allocate_host(size)

    def drop_host_block(self, block: Any) -> None:
        """Unpin and free."""
        self._open().free_host(block)

    def copy_out(self, descriptor: int, offset: int, block: Any, size: int) -> None:
        """By the copy engine, beside whatever the device computes."""
        self._open().copy_to_host(block, self._addresses[descriptor] + offset, size)

    def copy_in(self, descriptor: int, offset: int, block: Any, size: int) -> None:
        """Likewise."""
        self._open().copy_to_device(self._addresses[descriptor] + offset, block, size)

    def copy_to(self, other: Any, source: int, target: int, offset: int, size: int) -> None:
        """From GPU to GPU, over whatever links them."""
        self._open().copy_to_peer(self._addresses[source] + offset, other._open(), other._addresses[target] + offset, size)

    def _open(self) -> Driver:
        self._driver = self._driver or Driver(self._ordinal)
        return self._driver


class FilePlace:
    """Memory files up to a limit."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._sizes: dict[int, int] = {}

    def create(self, name: str, size: int) -> int:
        """A writable memory file."""
        if size > self.free_bytes():
            raise DeviceFull(f"{size} bytes asked for, {self.free_bytes()} are free.")
        descriptor = memory_file.create_zeroed(name, size)
        self._sizes[descriptor] = size
        return descriptor

    def free(self, descriptor: int) -> None:
        """Close it."""
        del self._sizes[descriptor]
        memory_file.close(descriptor)

    def free_bytes(self) -> int:
        """What is left of the limit."""
        return self._limit_bytes - sum(self._sizes.values())

    def host_block(self, size: int) -> Any:
        """Anonymous memory."""
        return mmap.mmap(-1, size)

    def drop_host_block(self, block: Any) -> None:
        """Unmap it."""
        block.close()

    def copy_out(self, descriptor: int, offset: int, block: Any, size: int) -> None:
        """Read the file."""
        with memoryview(block) as view:
            os.preadv(descriptor, [view[:size]], offset)

    def copy_in(self, descriptor: int, offset: int, block: Any, size: int) -> None:
        """Write the file."""
        with memoryview(block) as view:
            os.pwritev(descriptor, [view[:size]], offset)

    def copy_to(self, other: Any, source: int, target: int, offset: int, size: int) -> None:
        """From file to file."""
        os.pwrite(target, os.pread(source, size, offset), offset)
