"""Roles made ready for the stage, kept in this worker's memory: what the first block would compute from them is there, and a
job of such a role begins by copying it (`engine.model.ready`).

They are a comfort and no more: whoever needs the memory for something that must be there takes it from them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch

from engine.memory import ready_bytes
from engine.model.block_engine import BlockEngine
from engine.worker.conditions import Conditions

HOST_BYTES = 512 << 20  # for roles that are kept in host memory, where the CPU computes
DEVICE_SHARE = 0.15  # of a device's memory


def most_bytes(device: str) -> int:
    """What ready roles may take at most."""
    return HOST_BYTES if device == "cpu" else int(DEVICE_SHARE * torch.cuda.mem_get_info()[1])


class ReadyRoles:
    """Least recently used ones go first. Keys name all that a ready role depends on: conditions, adapters, weights."""

    def __init__(self, engine: BlockEngine, limit_bytes: int, has_room: Callable[[int], bool] | None = None) -> None:
        """`has_room`: whether so many bytes can be taken just now without taking them from anybody's block."""
        self._engine, self._limit, self._has_room = engine, limit_bytes, has_room
        self._kept: OrderedDict[str, tuple[int, Conditions]] = OrderedDict()
        self.peak_bytes = 0

    @property
    def total_bytes(self) -> int:
        """What they take now, beyond the plain conditions."""
        return sum(size for size, _ in self._kept.values())

    def get(self, key: str) -> Conditions | None:
        """The role with everything in place, if it was made ready."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][1]

    def make(self, key: str, conditions: Conditions, width: int, height: int) -> Conditions:
        """The same for the adapter that is attached now; `conditions` as they are where there is no room to keep more."""
        size = ready_bytes(self._engine.shape, width, height, self._engine.transformer.kv)
        while self._kept and self.total_bytes + size > self._limit:
            self._kept.popitem(last=False)
        if size > self._limit or (self._has_room is not None and not self._has_room(size)):
            return conditions
        ready = self._engine.make_ready(conditions, width, height)
        self._kept[key] = (size, ready)
        self.peak_bytes = max(self.peak_bytes, self.total_bytes)
        return ready

    def give_way(self) -> None:
        """Their memory is needed. A role that plays goes on from what it holds."""
        self._kept.clear()
