"""What runs now: asks the daemon once per second, for everybody; a silent daemon makes the answer old, never wrong."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import Any

from scheduler.client import Scheduler, SchedulerError
from scheduler.clock import house_now

PERIOD_S = 1.0


@dataclass(frozen=True)
class Beat:
    """The daemon's last answer. `at`: when it came (seconds since 1970), 0 if there never was one; `wall_at`: the same by the
    machine's clock, which may have been set since the house began."""

    at: float = 0.0
    status: dict[str, Any] = field(default_factory=dict)
    trouble: SchedulerError | None = None  # why the latest try failed
    wall_at: float = 0.0

    def age_s(self, now: float | None = None) -> float:
        """How old the answer is; infinite if there never was one."""
        return (house_now() if now is None else now) - self.at if self.at else float("inf")

    @property
    def wall_off_s(self) -> float:
        """How far the machine's clock was ahead of the daemon's time, in seconds; below 0, behind it. 0 where nobody knows."""
        told = (self.status.get("daemon") or {}).get("now")
        return 0.0 if told is None else self.wall_at - float(told)

    @property
    def slots(self) -> list[dict[str, Any]]:
        """Slots as the daemon said."""
        return list(self.status.get("slots") or [])


class Pulse:
    """A thread that keeps the last answer. The thread may hang on a stopped daemon; readers never do."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._last = Beat()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def last(self) -> Beat:
        """The last answer."""
        return self._last

    def ask(self) -> Beat:
        """Ask the daemon now, in this thread."""
        try:
            status = self._scheduler.status()
            self._last = Beat(house_now(), status, wall_at=time.time())
        except SchedulerError as error:
            self._last = replace(self._last, trouble=error)
        return self._last

    def start(self) -> None:
        """Begin asking; again is harmless."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Stop asking. Does not wait for a daemon that hangs."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=2 * PERIOD_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.ask()
            self._stop.wait(PERIOD_S)
