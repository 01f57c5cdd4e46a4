"""Roles made ready for the stage, kept in this worker's memory: what the first block would compute from them is there, and a
job of such a role begins by copying it (`engine.model.ready`).

They are a comfort and no more: whoever needs the memory for something that must be there takes it from them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch

from engine.memory import ready_bytes
from engine.model import ready
from engine.model.block_engine import BlockEngine
from engine.worker.conditions import Conditions
from engine.worker.host_roles import HostRoles

HOST_BYTES = 512 << 20  # for roles that are kept in host memory, where the CPU computes
DEVICE_SHARE = 0.15  # of a device's memory


def most_bytes(device: str) -> int:
    """What ready roles may take at most."""
    return HOST_BYTES if device == "cpu" else int(DEVICE_SHARE * torch.cuda.mem_get_info()[1])


class ReadyRoles:
    """Least recently used ones go first. Keys name all that a ready role depends on: conditions, adapters, weights."""

    def __init__(
        self, engine: BlockEngine, limit_bytes: int, has_room: Callable[[int], bool] | None = None,
        on_host: HostRoles | None = None,
    ) -> None:  # fmt: skip
        """`has_room`: whether so many bytes can be taken just now without taking them from anybody's block. `on_host`: where
        they are kept, too, for the time after they had to go."""
        self._engine, self._limit, self._has_room, self.on_host = engine, limit_bytes, has_room, on_host
        self._kept: OrderedDict[str, tuple[int, Conditions]] = OrderedDict()
        self.peak_bytes = 0

    @property
    def total_bytes(self) -> int:
        """What they take now where the engine computes, beyond the plain conditions."""
        return sum(size for size, _ in self._kept.values())

    def is_here(self, key: str) -> bool:
        """Whether the role lies where the engine computes."""
        return key in self._kept

    def get(self, key: str, conditions: Conditions) -> Conditions | None:
        """The role's conditions with everything in place, if it was made ready: here, or in host memory."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return conditions | self._kept[key][1]
        if self.on_host is None or (kept := self.on_host.get(key)) is None:
            return None
        return conditions | ready.on_stage(kept, conditions["reference"].device)

    def bring(self, key: str, width: int, height: int) -> bool:
        """Whether the role lies here now, copied from host memory if need be; False: it has to be made."""
        if key in self._kept:
            return True
        kept = None if self.on_host is None else self.on_host.get(key)
        if kept is None or (size := self._make_room(width, height)) is None:
            return False
        device = self._engine.transformer.patch_embedding.weight.device
        self._keep(key, size, {name: value.to(device) for name, value in kept.items()})
        return True

    def make(self, key: str, conditions: Conditions, width: int, height: int) -> Conditions:
        """The same for the adapter that is attached now; `conditions` as they are where there is no room to keep more."""
        if (size := self._make_room(width, height)) is None:
            return conditions
        made = self._engine.make_ready(conditions, width, height)
        made = {name: value for name, value in made.items() if name.startswith(ready.PREFIX)}
        self._keep(key, size, made)
        if self.on_host is not None:
            self.on_host.keep(key, made)
        return conditions | made

    def give_way(self) -> None:
        """Their memory is needed. A role that plays goes on from what it holds."""
        self._kept.clear()

    def _make_room(self, width: int, height: int) -> int | None:
        """Bytes that a role of this size takes, once there is room for it; None: there is none."""
        size = ready_bytes(self._engine.shape, width, height, self._engine.transformer.kv)
        while self._kept and self.total_bytes + size > self._limit:
            self._kept.popitem(last=False)
        if size > self._limit or (self._has_room is not None and not self._has_room(size)):
            return None
        return size

    def _keep(self, key: str, size: int, made: Conditions) -> None:
        self._kept[key] = (size, made)
        self.peak_bytes = max(self.peak_bytes, self.total_bytes)
