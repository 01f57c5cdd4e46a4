"""How often slots lose their worker, and for how long."""

from __future__ import annotations

import random
from collections import deque

FIRST_DOWN_S = 20.0
FIRST_RATE = 0.02 / 3600.0  # losses per slot and second, weighing as much as an hour
REMEMBERED = 200


class Losses:
    """Learnt from losses and returns."""

    def __init__(self) -> None:
        self._down_since: dict[int, float] = {}
        self._spells: deque[float] = deque(maxlen=REMEMBERED)
        self._losses = 0
        self._slots: set[int] = set()
        self._began: float | None = None

    def slot_lost(self, at: float, slot: int) -> None:
        """A slot has no worker any more."""
        self._down_since[slot] = at
        self._losses += 1

    def slot_back(self, at: float, slot: int) -> None:
        """A slot has one (again)."""
        self._slots.add(slot)
        self._began = at if self._began is None else self._began
        since = self._down_since.pop(slot, None)
        if since is not None:
            self._spells.append(at - since)

    def rate(self, now: float) -> float:
        """Losses per slot and second."""
        seen_s = max(0.0, now - (self._began if self._began is not None else now)) * max(1, len(self._slots))
        return (self._losses + FIRST_RATE * 3600.0) / (seen_s + 3600.0)

    def draw_down_s(self, source: random.Random) -> float:
        """How long a slot will be without worker."""
        if not self._spells or source.random() < 1.0 / (len(self._spells) + 1):
            return source.expovariate(1.0 / FIRST_DOWN_S)
        return source.choice(self._spells)

    def draw_rest_s(self, slot: int, now: float, source: random.Random) -> float:
        """How much longer a slot that is down will stay so."""
        been_s = now - self._down_since.get(slot, now)
        longer = [spell - been_s for spell in self._spells if spell > been_s]
        if not longer or source.random() < 1.0 / (len(longer) + 1):
            return source.expovariate(1.0 / max(FIRST_DOWN_S, been_s))
        return source.choice(longer)
