"""The daemon's clock: wall time for people, driven by the monotonic clock so that a jump of the wall clock moves nothing."""

from __future__ import annotations

import time


class SteadyClock:
    """Seconds since 1970 that never run backwards: wall time at the start plus monotonic time since then.

    `not_before`: the latest time already written; a machine whose wall clock was set back goes on from there.
    """

    def __init__(self, not_before: float = 0.0) -> None:
        self._wall = max(time.time(), not_before)
        self._monotonic = time.monotonic()

    def now(self) -> float:
        """The time of an event."""
        return self._wall + (time.monotonic() - self._monotonic)
