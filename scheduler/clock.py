"""The house's clock: wall time for people, driven by the monotonic clock so that a jump of the wall clock moves nothing.

The launcher reads the wall clock once and hands down how far it was ahead of the monotonic clock (`environment`), which is one
and the same in all processes of a machine. So daemon, web and forecaster agree on the time whatever becomes of the wall clock,
and a daemon that is started again goes on in the same time. The next start of the house reads the wall clock anew.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

VARIABLE = "GREENROOM_WALL_AHEAD_S"
_given = os.environ.get(VARIABLE)
_AHEAD_S = float(_given) if _given else None
_OFF_S = 60.0  # what a time server puts right unnoticed is less, and so is how long an answer takes


def house_now() -> float:
    """Seconds since 1970 as the house counts them; the wall clock's in a process that no launcher started."""
    return time.time() if _AHEAD_S is None else _AHEAD_S + time.monotonic()


def environment(not_before: float = 0.0, wall: Callable[[], float] = time.time) -> dict[str, str]:
    """What a launcher's children find in their environment. `not_before`: the latest time that the house wrote down; where
    the wall clock was set back since, time goes on from there."""
    return {VARIABLE: repr(max(wall(), not_before) - time.monotonic())}


def is_off(seconds: float) -> bool:
    """Do the house's time and the machine's clock lie so far apart that people must know? `seconds` either way."""
    return abs(seconds) > _OFF_S


class SteadyClock:
    """Seconds since 1970 that never run backwards: the house's time at the start plus monotonic time since then.

    `not_before`: the latest time already written; a machine whose wall clock was set back goes on from there.
    """

    def __init__(self, not_before: float = 0.0) -> None:
        self._wall = max(house_now(), not_before)
        self._monotonic = time.monotonic()

    def now(self) -> float:
        """The time of an event."""
        return self._wall + (time.monotonic() - self._monotonic)
