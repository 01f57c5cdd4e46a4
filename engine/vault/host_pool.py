"""Host memory for contexts that had to leave their device: pinned, and in blocks, so that any context fits what is free.

Taking and pinning memory takes the system long (a second for some GiB): blocks are taken ahead of need, one at a time, and kept.
"""

from __future__ import annotations

from typing import Any

from engine.host_memory import free_bytes, total_bytes
from engine.vault.device_memory import DeviceMemoryError
from engine.vault.device_place import Place
from engine.vault.log import log

BLOCK_BYTES = 32 << 20
LEFT_SHARE = 0.25  # of the host's memory: below it nothing is taken any more

Block = Any  # what a place copies to and from: an address, or a buffer


class HostFull(Exception):
    """The host has no more memory; what was taken has to do from now on."""


class HostPool:
    """Blocks that are in use, and blocks that wait for the next context."""

    def __init__(self, place: Place, limit_bytes: int | None, block_bytes: int = BLOCK_BYTES) -> None:
        """`limit_bytes`: the most to take; None: as long as a quarter of the host's memory is left."""
        self.block_bytes = block_bytes
        self._place, self._limit = place, limit_bytes
        self._idle: list[Block] = []
        self._taken = 0

    @property
    def taken_bytes(self) -> int:
        """All of it."""
        return self._taken * self.block_bytes

    @property
    def idle_bytes(self) -> int:
        """What waits for its use."""
        return len(self._idle) * self.block_bytes

    def can_hold(self, size: int) -> bool:
        """Whether so much fits, if need be by taking more."""
        return (self._blocks_of(size) - len(self._idle)) * self.block_bytes <= self._most_more()

    def take(self) -> Block:
        """A block for use. Raises HostFull."""
        return self._idle.pop() if self._idle else self._new()

    def give(self, blocks: list[Block]) -> None:
        """Used no longer."""
        self._idle += blocks

    def take_ahead(self) -> None:
        """One more block that waits. Raises as `take`."""
        self._idle.append(self._new())

    def shrink(self) -> None:
        """Host memory is short: give back what waits."""
        while self._idle:
            self._place.drop_host_block(self._idle.pop())
            self._taken -= 1

    def _new(self) -> Block:
        try:
            block = self._place.host_block(self.block_bytes)
        except (DeviceMemoryError, OSError) as error:
            self._limit = self.taken_bytes  # it is not asked again
            log("no more host memory for contexts", level="warning", bytes=self.taken_bytes, error=str(error))
            raise HostFull from error
        self._taken += 1
        return block

    def _blocks_of(self, size: int) -> int:
        return -(-size // self.block_bytes)

    def _most_more(self) -> int:
        """Bytes that may still be taken."""
        if self._limit is not None:
            return self._limit - self.taken_bytes
        return max(0, free_bytes() - int(LEFT_SHARE * total_bytes()))
