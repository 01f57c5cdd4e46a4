"""Memory on a CUDA device that processes share: plain allocations of one process, opened by others through 64-byte handles.

Only the driver's library is needed, through ctypes: the vault has no torch, and no runtime has to be of the same version
as anybody else's. The handles are plain bytes. Whoever opens one sees the same memory until it closes it; who allocated it
may free it, or end, before: the driver gives it back when its last user is gone. CUDA has no read-only mappings.
"""

from __future__ import annotations

import ctypes
import os
import threading
from typing import Any

from engine.errors import EngineError

HANDLE_BYTES = 64
PAGE = 2 << 20  # allocations are rounded up to this: smaller ones share a page, and a handle names whole pages
_OUT_OF_MEMORY = 2
_LAZY_PEER_ACCESS = 1
_PORTABLE = 1
_NAME = "libcuda.so.1"
_current = threading.local()  # the driver whose context is this thread's


class DeviceMemoryError(EngineError):
    """The driver refused."""

    code = "device_memory"


class DeviceFull(DeviceMemoryError):
    """The device has no memory left."""

    code = "out_of_memory"
    can_retry = True


class _Handle(ctypes.Structure):
    _fields_ = (("bytes", ctypes.c_char * HANDLE_BYTES),)


class Driver:
    """One device's memory as this process sees it. Uses the same context as torch. Raises DeviceMemoryError without one."""

    def __init__(self, ordinal: int = 0) -> None:
        try:
            self._library = ctypes.CDLL(_NAME)
        except OSError as error:
            raise DeviceMemoryError(f"{_NAME} cannot be loaded: {error}.", hint="Install the CUDA driver.") from error
        self._context = ctypes.c_void_p()
        self._process = os.getpid()
        device = ctypes.c_int()
        self._call("cuInit", 0)
        self._call("cuDeviceGet", ctypes.byref(device), ordinal)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), device)

    def allocate(self, size: int) -> int:
        """Address of zero-filled memory of its own pages. Raises DeviceFull."""
        address = ctypes.c_uint64()
        self._here("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(rounded(size)))
        self._here("cuMemsetD8_v2", address, ctypes.c_ubyte(0), ctypes.c_size_t(rounded(size)))
        self._here("cuCtxSynchronize")
        return address.value

    def free(self, address: int) -> None:
        """Give an allocation back."""
        self._here("cuMemFree_v2", ctypes.c_uint64(address))

    def handle(self, address: int) -> bytes:
        """The handle by which other processes open an allocation."""
        found = _Handle()
        self._here("cuIpcGetMemHandle", ctypes.byref(found), ctypes.c_uint64(address))
        return ctypes.string_at(ctypes.byref(found), HANDLE_BYTES)

    def open(self, handle: bytes) -> int:
        """Address of another process's allocation in this one."""
        if len(handle) != HANDLE_BYTES:
            raise DeviceMemoryError(f"a handle of {len(handle)} bytes instead of {HANDLE_BYTES}.")
        address, given = ctypes.c_uint64(), _Handle.from_buffer_copy(handle)
        self._here("cuIpcOpenMemHandle_v2", ctypes.byref(address), given, ctypes.c_uint(_LAZY_PEER_ACCESS))
        return address.value

    def close(self, address: int) -> None:
        """End an `open`. Nothing that this process has launched may use it any more: waits for all of it."""
        self._here("cuCtxSynchronize")
        self._here("cuIpcCloseMemHandle", ctypes.c_uint64(address))

    def allocate_host(self, size: int) -> int:
        """Address of pinned host memory that every device copies to and from at full speed. Raises DeviceFull."""
        address = ctypes.c_void_p()
        self._here("cuMemHostAlloc", ctypes.byref(address), ctypes.c_size_t(size), ctypes.c_uint(_PORTABLE))
        assert address.value is not None
        return address.value

    def free_host(self, address: int) -> None:
        """Give pinned host memory back."""
        self._here("cuMemFreeHost", ctypes.c_void_p(address))

    def copy_to_host(self, host: int, address: int, size: int) -> None:
        """Device memory into host memory; done when this returns."""
        self._here("cuMemcpyDtoH_v2", ctypes.c_void_p(host), ctypes.c_uint64(address), ctypes.c_size_t(size))

    def copy_to_device(self, address: int, host: int, size: int) -> None:
        """Host memory into device memory; done when this returns."""
        self._here("cuMemcpyHtoD_v2", ctypes.c_uint64(address), ctypes.c_void_p(host), ctypes.c_size_t(size))
        self._here("cuStreamSynchronize", ctypes.c_void_p(0))

    def copy_to_peer(self, address: int, peer: Driver, peer_address: int, size: int) -> None:
        """Memory of this device into that of another one; done when this returns."""
        there, here = ctypes.c_uint64(peer_address), ctypes.c_uint64(address)
        self._here("cuMemcpyPeer", there, peer._context, here, self._context, ctypes.c_size_t(size))
        self._here("cuCtxSynchronize")

    def free_bytes(self) -> tuple[int, int]:
        """(free, total) bytes of the device, all processes counted."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self._here("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return free.value, total.value

    def _here(self, name: str, *arguments: Any) -> None:
        """A call that needs the device's context in this thread."""
        if getattr(_current, "driver", None) is not self:  # another device's may be, in this thread
            self._call("cuCtxSetCurrent", self._context)
            _current.driver = self
        self._call(name, *arguments)

    def _call(self, name: str, *arguments: Any) -> None:
        code = getattr(self._library, name)(*arguments)
        if code == 0:
            return
        text = ctypes.c_char_p()
        self._library.cuGetErrorName(code, ctypes.byref(text))
        kind = DeviceFull if code == _OUT_OF_MEMORY else DeviceMemoryError
        raise kind(f"{name}: {(text.value or b'unknown').decode()} ({code}).")


def rounded(size: int) -> int:
    """Bytes that an allocation of `size` takes."""
    return max(1, -(-size // PAGE)) * PAGE
