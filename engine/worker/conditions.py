"""Prepared conditions of roles and voices: in the worker's own memory first, then in the vault, else made."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from engine.vault.client import VaultFull
from engine.vault.tensors import get_conditions, put_conditions
from engine.worker.store import Store

_log = logging.getLogger(__name__)

MAX_KEPT = 32  # sets of conditions in the worker's own memory
Conditions = dict[str, Tensor]


@dataclass(frozen=True)
class Prepared:
    """Conditions and the tier that served them: gpu (own memory), host (the vault), prepared (had to be made)."""

    conditions: Conditions
    tier: str
    prepare_ms: float


def key_of(*parts: object) -> str:
    """A key that changes with every part (strings, numbers)."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class ConditionCache:
    """Least recently used sets go first; the vault keeps its own."""

    def __init__(self, store: Store, device: str) -> None:
        self._store, self._device = store, device
        self._kept: OrderedDict[str, Conditions] = OrderedDict()

    def get(self, key: str, make: Callable[[], Conditions]) -> Prepared:
        """The conditions under `key`, made by `make` where nobody has them."""
        if (conditions := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return Prepared(conditions, "gpu", 0.0)
        conditions = get_conditions(self._store, key, self._device)
        if conditions is not None:
            self._keep(key, conditions)
            return Prepared(conditions, "host", 0.0)
        began = time.perf_counter()
        conditions = make()
        prepare_ms = (time.perf_counter() - began) * 1000
        self._keep(key, conditions)
        try:
            put_conditions(self._store, key, conditions)
        except VaultFull as error:  # a loss of time for the next worker, not of this job
            _log.warning("conditions not kept", extra={"data": {"key": key, "error": str(error)}})
        return Prepared(conditions, "prepared", prepare_ms)

    def _keep(self, key: str, conditions: Conditions) -> None:
        self._kept[key] = conditions
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
