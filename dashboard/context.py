"""The parts of the running web, put together once per app."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import current_app

from dashboard.limits import RateLimit, Seats
from dashboard.reads import Reads
from dashboard.rights import Rights
from dashboard.settings import WebSettings
from dashboard.sign_in import Waits
from scheduler.client import Scheduler

if TYPE_CHECKING:
    from dashboard.board import Board
    from dashboard.feed import Feed
    from dashboard.pulse import Pulse

KEY = "greenroom"
SWITCH_INTERVAL_S = 0.0005  # a request waits at most this long for a thread that writes to many open tabs (default 5 ms)


@dataclass(frozen=True, kw_only=True)
class House:
    """What routes may use."""

    settings: WebSettings
    rights: Rights
    reads: Reads
    scheduler: Scheduler
    pulse: Pulse
    feed: Feed
    board: Board
    writes: RateLimit
    logins: RateLimit
    waits: Waits
    sockets: Seats
    streams: Seats
    videos: Seats
    uploads: Seats

    def start(self) -> None:
        """Start the threads that look at the daemon and the store; again is harmless."""
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        self.pulse.start()
        self.feed.start()
        self.board.start()

    def close(self) -> None:
        """End the threads."""
        self.board.stop()
        self.feed.stop()
        self.pulse.stop()
        self.reads.close()


def house() -> House:
    """The parts of the app that serves this request."""
    found: House = current_app.extensions[KEY]
    return found
