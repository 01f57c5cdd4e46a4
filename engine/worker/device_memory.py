"""The vault's device memory as tensors of this process: a network's weights, and the contexts of jobs."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from engine.errors import SettingsError
from engine.vault import memory_file
from engine.vault.client import VaultClient
from engine.vault.device_client import DeviceClient
from engine.vault.device_memory import HANDLE_BYTES, DeviceMemoryError, Driver
from engine.worker.store import Store

SHARING_VARIABLE = "GREENROOM_DEVICE_SHARING"
SHARING_CHOICES = ("on", "off")


@dataclass(frozen=True)
class Mapping:
    """`bytes` uint8 [size]; whoever ends the mapping has let go of it and of all its views."""

    bytes: Tensor
    end: Callable[[], None]


class Mapper(Protocol):
    """Makes a tensor of what the vault hands out."""

    def map(self, descriptor: int, size: int) -> Mapping:
        """The memory behind a descriptor, which is closed here."""
        ...


class CudaMapper:
    """Opens handles of device memory, in the context that torch computes in."""

    def __init__(self) -> None:
        self._driver = Driver(torch.cuda.current_device())

    def map(self, descriptor: int, size: int) -> Mapping:
        """Milliseconds, whatever the size."""
        try:
            address = self._driver.open(os.pread(descriptor, HANDLE_BYTES, 0))
        except DeviceMemoryError as error:
            hint = f"Where the system forbids CUDA IPC, start with {SHARING_VARIABLE}=off: each worker then has its own memory."
            raise DeviceMemoryError(f"the vault's memory cannot be mapped: {error}", hint=hint) from error
        finally:
            memory_file.close(descriptor)
        tensor = torch.as_tensor(_Raw(address, size), device="cuda")
        assert tensor.data_ptr() == address, "a copy was made"
        return Mapping(tensor, lambda: self._driver.close(address))


class FileMapper:
    """Maps memory files: what stands for a device where there is none."""

    def map(self, descriptor: int, size: int) -> Mapping:
        """Writable, shared with all who map it."""
        try:
            buffer: mmap.mmap = memory_file.map_writable(descriptor)
        finally:
            memory_file.close(descriptor)
        return Mapping(torch.frombuffer(buffer, dtype=torch.uint8, count=size), lambda: None)


class _Raw:
    """Device memory as torch takes it over without copying."""

    def __init__(self, address: int, size: int) -> None:
        self.__cuda_array_interface__ = {"shape": (size,), "typestr": "|u1", "data": (address, False), "version": 3}


class SharedDevice:
    """The vault's memory on this worker's device; a `Shelf` for weights (`engine.model.slab`)."""

    def __init__(self, client: DeviceClient, mapper: Mapper) -> None:
        self._client, self._mapper = client, mapper
        self._weights: dict[str, Mapping] = {}
        self._contexts: dict[str, Mapping] = {}

    @classmethod
    def of(cls, store: Store) -> SharedDevice | None:
        """That of the store, if it is a vault's; else, or with GREENROOM_DEVICE_SHARING=off, everything on the device is this
        process's own. Raises SettingsError."""
        wanted = os.environ.get(SHARING_VARIABLE, SHARING_CHOICES[0])
        if wanted not in SHARING_CHOICES:
            hint = f"Use {' or '.join(SHARING_CHOICES)}."
            raise SettingsError(f"{SHARING_VARIABLE} is {wanted!r}.", field=SHARING_VARIABLE, hint=hint)
        if wanted == "off":
            return None
        return cls(DeviceClient(store), CudaMapper()) if isinstance(store, VaultClient) else None

    @property
    def mapped_bytes(self) -> int:
        """Of the vault's memory, what this process uses."""
        return sum(len(mapping.bytes) for mapping in (*self._weights.values(), *self._contexts.values()))

    # ---- weights ---------------------------------------------------------------------------------------------------

    def open(self, key: str, size: int) -> tuple[Tensor, str]:
        """Weights, mapped until this process ends, and their fingerprint. Raises as `DeviceClient` does."""
        descriptor, fingerprint = self._client.open_weights(key, size)
        self._weights[key] = self._mapper.map(descriptor, size)
        return self._weights[key].bytes, fingerprint

    def seal(self, key: str, fingerprint: str) -> None:
        """Everything that was launched to fill them is done: a fingerprint was read."""
        self._client.seal_weights(key, fingerprint)

    def drop(self, key: str) -> None:
        """They do not hold what they should."""
        self._weights.pop(key).end()
        self._client.drop_weights(key)

    def claim(self, is_claimed: bool) -> None:
        """The right to attach an adapter to the weights, taken or given back. Raises VaultBusy where another worker has it."""
        for key in self._weights:
            self._client.claim_weights(key, is_claimed=is_claimed)

    # ---- contexts --------------------------------------------------------------------------------------------------

    def open_context(self, job_id: str, size: int, layout: str, reserve: int) -> Tensor:
        """A job's context, zero-filled where there was none. Raises VaultFull."""
        self.close_context(job_id)
        descriptor, _ = self._client.open_context(job_id, size, layout, reserve)
        self._contexts[job_id] = self._mapper.map(descriptor, size)
        return self._contexts[job_id].bytes

    def close_context(self, job_id: str) -> None:
        """Map it no longer; the vault keeps it. No view of it may be used any more."""
        mapping = self._contexts.pop(job_id, None)
        if mapping is not None:
            mapping.end()
