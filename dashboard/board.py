"""The board of expectations: asks the forecaster for all open jobs, keeps the answer for seconds, tells the pages what moved.

A page never waits for it longer than a glance, and numbers that are old are never given out: then there are none.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from dashboard.cards import chunks
from dashboard.expectations import OVER_WORDS, STALE_WORDS, expectation
from dashboard.feed import MAX_PUSH_BYTES, Emitter
from dashboard.reads import Reads
from scheduler.client import SchedulerError
from scheduler.forecasts import Forecasts, Foretold

FRESH_S = 2.0  # an answer is used this long
PERIOD_S = 3.0  # between two messages; what people plan with need not tremble
MOST = 1_500  # jobs that are told of
REPEAT = 10  # messages; then everything is told again, to whoever came back in between
_log = logging.getLogger("greenroom.board")
Shown = dict[str, Any]


class Board:
    """A thread that speaks to rooms where somebody listens; `told` serves pages from any thread."""

    def __init__(
        self, reads: Reads, forecasts: Forecasts, emit: Emitter, rooms: Callable[[], set[str]], in_view: Callable[[], set[str]]
    ) -> None:
        """`in_view`: the jobs that the global view shows; of a long queue its room hears of no others."""
        self._reads, self._forecasts, self._emit, self._rooms, self._in_view = reads, forecasts, emit, rooms, in_view
        self._told = Foretold()
        self._asked_at = 0.0
        self._asking = threading.Lock()
        self._ticks = 0
        self._sent: dict[str, dict[str, Shown]] = {}  # room → job → what it was told last
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._start = threading.Lock()

    def told(self) -> Foretold:
        """By job id, what the forecaster says now; empty while it is gone or stands still."""
        with self._asking:
            if time.monotonic() - self._asked_at > FRESH_S:
                self._told, self._asked_at = self._forecasts.everybody(), time.monotonic()
            return self._told

    def of(self, job_id: str) -> Shown:
        """What a page shows of an open job."""
        return expectation(self.told().of(job_id))

    def start(self) -> None:
        """Begin; again is harmless."""
        with self._start:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="board", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def tick(self) -> None:
        """Tell every room what moved since it was told last; a room that was empty is told everything."""
        self._ticks += 1
        rooms = self._rooms()
        self._sent = {} if self._ticks % REPEAT == 0 else {room: sent for room, sent in self._sent.items() if room in rooms}
        for room, now in self.by_room(rooms).items():
            self._speak(room, now)

    def by_room(self, rooms: Iterable[str]) -> dict[str, dict[str, Shown]]:
        """Room → job → what is expected, of those rooms that hear of jobs."""
        wanted = {room for room in rooms if room == "global" or room.startswith(("job:", "user:"))}
        if not wanted:
            return {}
        told, now = self.told(), defaultdict[str, dict[str, Shown]](dict, {room: {} for room in wanted})
        in_view = self._in_view() if "global" in wanted else set()
        has_people = any(room.startswith("user:") for room in wanted)
        ids = [job_id for job_id in told if has_people or job_id in in_view or f"job:{job_id}" in wanted]
        for card in self._reads.store.cards(ids[:MOST]):
            job_id, shown = card["id"], expectation(told[card["id"]])
            for room in wanted & {f"job:{job_id}", f"user:{card['user']}", "global" if job_id in in_view else ""}:
                now[room][job_id] = shown
        return now

    def _speak(self, room: str, now: dict[str, Shown]) -> None:
        before = self._sent.get(room, {})
        moved = [{"id": job_id, **shown} for job_id, shown in now.items() if before.get(job_id) != shown]
        gone = STALE_WORDS if not self._told else OVER_WORDS
        # what is still told of only left the view, where nobody sees it any more
        moved += [{"id": job_id, **gone} for job_id in before if job_id not in now and job_id not in self._told]
        self._sent[room] = now
        for part in chunks(moved, MAX_PUSH_BYTES):
            self._emit("expect", {"jobs": part}, room)

    def _run(self) -> None:
        while not self._stop.wait(PERIOD_S):
            try:
                self.tick()
            except SchedulerError as error:  # no store yet, or busy: look again
                _log.warning("the board cannot read: %s", error)
