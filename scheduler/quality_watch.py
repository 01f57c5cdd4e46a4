"""Finished videos get their scores: one at a time, newest first, in a process of its own; what was missed is caught up on.

A measurement that failed is recorded with its sentence and tried once more. The loop of decisions waits for nothing here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scheduler.assets import AssetLibrary
from scheduler.core.quality import MAX_TRIES, QualityPolicy
from scheduler.errors import SchedulerError
from scheduler.ledger import SYSTEM, Ledger, Turn
from scheduler.measuring import Scored, Unmeasured, measured

FACT = "quality_now"  # {"is_on", "job", "since"}: which video is being measured; for people, decided on by nobody
LOOK_EVERY_S = 1.0
AGAIN_AFTER_S = 60.0  # what failed gets time to be put right
REFUSED_PAUSE_S = 30.0  # a machine that starts no process, a store that takes no scores
_log = logging.getLogger("greenroom.quality")


class QualityWatch:
    """Looks for videos without scores, for ever. `is_possible`: the engine makes real videos."""

    def __init__(self, ledger: Ledger, data_dir: Path, policy: Callable[[], QualityPolicy], is_possible: bool) -> None:
        self._ledger, self._data_dir = ledger, data_dir
        self._policy, self._is_possible = policy, is_possible
        self._library = AssetLibrary(data_dir)
        self._tries: Counter[str] = Counter()  # of this run, so that a store that refuses a video's scores is not asked for ever
        self._told: bool | None = None  # whether it measures, as people were told last

    async def run(self) -> None:
        """Look once per second; what hinders is logged and tried again later."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                while await self.look():
                    pass
            except (SchedulerError, OSError) as error:
                _log.warning("videos are not measured just now: %s", error)
                self._told = None
                await asyncio.sleep(REFUSED_PAUSE_S)

    async def look(self) -> bool:
        """Measure the video whose turn it is; False when there is none. Raises SchedulerError and OSError."""
        if self._ledger.trouble is not None:
            return False
        policy = self._policy()
        is_on = policy.measure and self._is_possible
        if is_on is not self._told:
            await self._tell(is_on)
        if not is_on:
            return False
        before = self._ledger.clock.now() - AGAIN_AFTER_S
        waiting = self._ledger.store.unmeasured(policy.catch_up, before, policy.catch_up)
        job = next((row for row in waiting if self._tries[row["id"]] < MAX_TRIES), None)
        if job is not None:
            await self._measure(job, policy)
        return job is not None

    async def _measure(self, job: dict[str, Any], policy: QualityPolicy) -> None:
        await self._tell(True, job["id"])
        portrait = await asyncio.to_thread(self._portrait_of, job)
        began = time.monotonic()
        outcome = await measured(self._data_dir / job["video_path"], portrait, policy.timeout_s)
        self._tries[job["id"]] += 1
        took_s = round(time.monotonic() - began, 2)
        if isinstance(outcome, Unmeasured):
            _log.warning("%s is not measured: %s", job["id"], outcome.message)

        def keep(turn: Turn) -> None:
            _keep(turn, job["id"], outcome, took_s, portrait is not None)
            turn.store.set_fact(FACT, {"is_on": True, "job": None, "since": turn.at}, turn.at)

        await self._ledger.do(keep, SYSTEM)

    def _portrait_of(self, job: dict[str, Any]) -> Path | None:
        """The picture that the video was made of, while it is there."""
        if not job["portrait_sha256"]:
            return None
        path = self._library.path_of(job["portrait_sha256"])
        return path if path.is_file() else None

    async def _tell(self, is_on: bool, job_id: str | None = None) -> None:
        def tell(turn: Turn) -> None:
            turn.store.set_fact(FACT, {"is_on": is_on, "job": job_id, "since": turn.at}, turn.at)

        await self._ledger.do(tell, SYSTEM)
        self._told = is_on


def _keep(turn: Turn, job_id: str, outcome: Scored | Unmeasured, took_s: float, has_portrait: bool) -> None:
    turn.has_changed = True
    if isinstance(outcome, Scored):
        turn.store.keep_scores(job_id, outcome.scores, turn.actor, turn.at, took_s=took_s, has_portrait=has_portrait)
    else:
        turn.store.keep_unmeasured(
            job_id, outcome.code, outcome.message, turn.actor, turn.at, took_s=took_s, has_portrait=has_portrait
        )
