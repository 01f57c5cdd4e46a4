"""What a running job may ask of the worker around it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from engine.protocol import Message
from engine.worker.crash_points import CrashPoints
from engine.worker.position import Position


class Wish(StrEnum):
    """What the daemon wants of a running job; cancel outweighs preempt."""

    PREEMPT = "preempt"
    CANCEL = "cancel"


class Wishes:
    """Wishes by lease: written by the thread that reads commands, read at block boundaries.

    A wish may come before its job does; it waits for the lease. Wishes of ended leases are forgotten with `forget`.
    """

    def __init__(self) -> None:
        self._wishes: dict[str, Wish] = {}
        self._lock = threading.Lock()

    def add(self, lease_id: str, wish: Wish) -> None:
        """Remember a wish."""
        with self._lock:
            if self._wishes.get(lease_id) is not Wish.CANCEL:
                self._wishes[lease_id] = wish

    def of(self, lease_id: str) -> Wish | None:
        """The wish for this lease."""
        with self._lock:
            return self._wishes.get(lease_id)

    def forget(self) -> None:
        """No lease is running any more: what came too late is void."""
        with self._lock:
            self._wishes.clear()


def _do_nothing() -> None:
    """Between blocks, where nobody else wants anything."""


@dataclass
class Desk:
    """`say` sends a report. `between_blocks` lets others have their turn (roles to prepare)."""

    say: Callable[[Message], None]
    position: Position = field(default_factory=Position)
    crash: CrashPoints = field(default_factory=CrashPoints)
    wishes: Wishes = field(default_factory=Wishes)
    between_blocks: Callable[[], None] = _do_nothing
    made_with: Mapping[str, str] = field(default_factory=dict)
