"""Where the worker is: written by the computing thread, read by the heartbeat. An unchanged position is a hung step."""

from __future__ import annotations

from engine.protocol import Heartbeat


class Position:
    """The current heartbeat. Replaced as a whole, so a reader on another thread never sees half of a change."""

    def __init__(self) -> None:
        self._now = Heartbeat(phase="starting")

    def move(
        self, phase: str, *, lease_id: str | None = None, block: int | None = None, step: int | None = None
    ) -> None:
        """The worker is now doing this."""
        self._now = Heartbeat(lease_id=lease_id, block=block, phase=phase, step=step)

    def read(self) -> Heartbeat:
        """What the worker is doing."""
        return self._now
