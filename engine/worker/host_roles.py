"""Ready roles kept in pinned host memory, too, where a device computes: a role that had to leave the device comes back by a
copy, not by computing its beginning again.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor

import torch

from engine import host_memory
from engine.model import ready
from engine.worker.conditions import Conditions

_log = logging.getLogger(__name__)

HOST_SHARE = 0.2  # of the host memory that is free when the worker is warm


def most_host_bytes() -> int:
    """What ready roles may take of the host's memory: a share of what can be had now."""
    return int(HOST_SHARE * host_memory.free_bytes())


class HostRoles:
    """Least recently used ones go first. Taking and pinning memory takes a second, so a thread does it."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._kept: OrderedDict[str, tuple[int, Conditions]] = OrderedDict()
        self._lock = threading.Lock()
        self._keeper = ThreadPoolExecutor(1, "host-roles")
        self._last: Future[None] | None = None

    @property
    def total_bytes(self) -> int:
        """What they take. Memory that a job still reads from is not counted once its role had to go."""
        with self._lock:
            return sum(size for size, _ in self._kept.values())

    def keep(self, key: str, conditions: Conditions) -> None:
        """Copy what was made ready, as soon as the device has it; the caller goes on."""
        made = torch.cuda.current_stream().record_event()
        self._last = self._keeper.submit(self._copy, key, conditions, made)
        self._last.add_done_callback(_log_failure)

    def wait(self) -> None:
        """Until all that was given to `keep` is here."""
        if self._last is not None:
            self._last.result()

    def get(self, key: str) -> Conditions | None:
        """The role, in host memory; None while it is not there."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return dict(self._kept[key][1])

    @torch.inference_mode()
    def _copy(self, key: str, conditions: Conditions, made: torch.cuda.Event) -> None:
        size = sum(x.numel() * x.element_size() for x in conditions.values())
        if not self._made_room(key, size):
            return
        stream = torch.cuda.Stream()
        try:
            with torch.cuda.stream(stream):
                made.wait()
                kept = ready.on_host(conditions)
        except (OSError, torch.cuda.CudaError) as error:  # the host has no more to pin: whoever is here may stay
            self._limit = self.total_bytes
            _log.warning("no more roles in host memory", extra={"data": {"bytes": size, "error": str(error)}})
            return
        with self._lock:
            self._kept[key] = (size, kept)

    def _made_room(self, key: str, size: int) -> bool:
        """Whether the role is to be copied, and fits now."""
        with self._lock:
            if key in self._kept or size > self._limit:
                return False
            gone = []
            while sum(taken for taken, _ in self._kept.values()) + size > self._limit:
                gone.append(self._kept.popitem(last=False)[1][1])
        for role in gone:
            while role:  # one after the other: nobody else runs while memory is given back
                role.popitem()
        return True


def _log_failure(copied: Future[None]) -> None:
    """Nobody waits for a copy: without this its failure would never be heard of."""
    if (error := copied.exception()) is not None:
        _log.error("a ready role could not be kept in host memory", exc_info=error)
