"""Milliseconds of what is done one after the other."""

from __future__ import annotations

import time


class Stopwatch:
    """Laps by name, each from the one before; rounded to microseconds."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._began = self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """This took from the lap before until now."""
        now = time.perf_counter()
        self.laps[name] = round((now - self._last) * 1000, 3)
        self._last = now

    @property
    def total_ms(self) -> float:
        """Since the beginning."""
        return (time.perf_counter() - self._began) * 1000
