"""Sessions whose last part has ended well get their one video, one at a time; what was missed is caught up on.

What could not be joined is recorded with its sentence and tried once more. The loop of decisions waits for nothing here.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections import Counter
from pathlib import Path

from scheduler.errors import SchedulerError
from scheduler.joining import Joined, Unjoined, joined
from scheduler.ledger import SYSTEM, Ledger, Turn
from scheduler.preflight import WARN_FREE_BYTES
from scheduler.store.joined_reads import JOINING_NOW, MAX_TRIES

LOOK_EVERY_S = 1.0
AGAIN_AFTER_S = 60.0  # what failed gets time to be put right
REFUSED_PAUSE_S = 30.0  # a machine that starts no process, a store that takes nothing
_log = logging.getLogger("greenroom.sessions")


class SessionWatch:
    """Looks for sessions at their end, for ever. `is_possible`: the engine makes real videos."""

    def __init__(self, ledger: Ledger, data_dir: Path, is_possible: bool) -> None:
        self._ledger, self._data_dir, self._is_possible = ledger, data_dir, is_possible
        self._has_told = self._is_short = False
        self._since = 0.0  # whatever ended before was looked at; 0 after a start, which catches up
        self._tries: Counter[str] = Counter()  # of this run, so that a store that refuses the answer is not asked for ever

    async def run(self) -> None:
        """Look once per second; what hinders is logged and tried again later."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                while await self.look():
                    pass
            except (SchedulerError, OSError) as error:
                _log.warning("sessions are not joined just now: %s", error)
                await asyncio.sleep(REFUSED_PAUSE_S)

    async def look(self) -> bool:
        """Join the session whose turn it is; False when there is none. Raises SchedulerError and OSError."""
        if self._ledger.trouble is not None:
            return False
        if not self._has_told:
            await self._tell()
        if not self._is_possible:
            return False
        before = self._ledger.clock.now() - AGAIN_AFTER_S
        waiting = self._ledger.store.unjoined(before, self._since)
        last_job = next((row["id"] for row in waiting if self._tries[row["id"]] < MAX_TRIES), None)
        if last_job is not None and shutil.disk_usage(self._data_dir).free < WARN_FREE_BYTES:
            if not self._is_short:
                _log.warning("sessions wait to be joined: less than %d MiB are free", WARN_FREE_BYTES >> 20)
            self._is_short = True
            return False  # what is left is for the videos that play
        self._is_short = False
        if last_job is not None:
            await self._join(last_job)
        elif not waiting:
            self._since = before  # the loop of decisions looks through what is new, not through years
        return last_job is not None

    async def _tell(self) -> None:
        def tell(turn: Turn) -> None:
            turn.store.set_fact(JOINING_NOW, {"is_on": self._is_possible, "since": turn.at}, turn.at)

        await self._ledger.do(tell, SYSTEM)
        self._has_told = True

    async def _join(self, last_job: str) -> None:
        parts = self._ledger.store.session_of(last_job)
        began = time.monotonic()
        outcome = await joined(self._data_dir, parts)
        self._tries[last_job] += 1
        took_s = round(time.monotonic() - began, 2)
        if isinstance(outcome, Unjoined):
            _log.warning("the session that ends with %s is not joined: %s", last_job, outcome.message)

        def keep(turn: Turn) -> None:
            _keep(turn, last_job, str(parts[0]["id"]), outcome, took_s)

        await self._ledger.do(keep, SYSTEM)


def _keep(turn: Turn, last_job: str, first_job: str, outcome: Joined | Unjoined, took_s: float) -> None:
    turn.has_changed = True
    if isinstance(outcome, Joined):
        turn.store.keep_joined(last_job, first_job, outcome.facts, turn.actor, turn.at, took_s=took_s)
    else:
        turn.store.keep_unjoined(last_job, first_job, outcome.code, outcome.message, turn.actor, turn.at, took_s=took_s)
