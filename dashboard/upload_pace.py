"""A sender of a file holds a thread and one of few seats: whoever is too slow, or silent, is stopped.

Reading blocks until a piece is whole, so a look at the clock between pieces would come too late for a trickle: a watcher beside
it ends the reading side of the connection instead, and the answer still goes out on the other.

Two paces. Anybody's line brings a portrait or some minutes of voice: FREE_BYTES may come at LEAST_BYTES_PER_S. What is larger is
a long recording from an office line, shared by a team: the rest comes at MANY_BYTES_PER_S, or it would hold one of eight seats
for hours. The largest file (512 MiB) then holds its seat for at most 42 minutes, at 64 KiB per second it would be 2 h 17 min.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

START_S = 15.0  # for the first bytes, and for a stop on the way
LEAST_BYTES_PER_S = 64 << 10  # half a megabit per second
MANY_BYTES_PER_S = 256 << 10  # two megabits per second
FREE_BYTES = 36 << 20  # more than the largest portrait, or six minutes of 48 kHz stereo; under ten minutes at the least pace
LOOK_S = 1.0


class Pace:
    """How much of a body has come, against what must have: START_S, then a second for each LEAST_BYTES_PER_S of it, and beyond
    FREE_BYTES for each MANY_BYTES_PER_S."""

    def __init__(self, length: int, began: float) -> None:
        self.length, self.came, self.is_missed = length, 0, False
        self._began = began

    def look(self, now: float) -> bool:
        """Is the pace missed at this moment? Once it is, it stays so."""
        is_late = now - self._began > allowed_s(self.came)
        self.is_missed = self.is_missed or (self.came < self.length and is_late)
        return self.is_missed


def allowed_s(came: int) -> float:
    """Seconds that so many bytes may have taken."""
    return START_S + min(came, FREE_BYTES) / LEAST_BYTES_PER_S + max(0, came - FREE_BYTES) / MANY_BYTES_PER_S


@contextmanager
def kept_pace(connection: socket.socket | None, length: int) -> Iterator[Pace]:
    """A pace for a body of `length` bytes; while the block lasts, a sender that misses it is cut off. None: nobody to cut off."""
    pace, is_over = Pace(length, time.monotonic()), threading.Event()

    def watch(held: socket.socket) -> None:
        while not is_over.wait(LOOK_S):
            if pace.look(time.monotonic()):
                with suppress(OSError):  # it went by itself meanwhile
                    held.shutdown(socket.SHUT_RD)
                return

    if connection is not None:
        threading.Thread(target=watch, args=(connection,), name="upload-pace", daemon=True).start()
    try:
        yield pace
    finally:
        is_over.set()
