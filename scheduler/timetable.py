"""What happens by the clock: readings each second, a look at the roles' files each minute, clearing of unused uploads every
five minutes, thinning each hour, a full audit verification each night, the day plan's check at 10:00 from Monday to Friday, a
load rehearsal on the first of each month. Hours are those of the studio's zone.

APScheduler keeps the times, by the wall clock; where that jumps, `WallJumps` sets them right. Jobs live in memory and are made
anew at each start; a run that was missed (the machine slept, the daemon stood still) is made up once, and a run that failed or
was missed leaves an audit row. Chores are made up also where no daemon was there at their hour, or none to their end.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from scheduler.asset_watch import AssetWatch
from scheduler.chores import CHECK, REHEARSE, VERIFY, is_missed
from scheduler.device_sensors import DeviceSensors
from scheduler.ledger import Ledger, Turn
from scheduler.plan.keeping import keep_check, keep_rehearsal, run_check, run_rehearsal
from scheduler.probe import MonitorCsv
from scheduler.queue_pause import end_pause_in_time
from scheduler.uploads import Uploads
from scheduler.wall_jumps import At, Every, WallJumps
from scheduler.zone import zone_name

SETTLED_S = 60.0  # a daemon that makes up for something lets its workers come first; each next thing waits as long again
CLOCK_S = 1.0  # between two looks at the wall clock
_log = logging.getLogger("greenroom.timetable")


class Timetable:
    """Starts and stops the regular work. `time_zone`: an IANA name; the studio's (`GREENROOM_ZONE`) by default."""

    def __init__(
        self, ledger: Ledger, data_dir: Path, sensors: DeviceSensors, time_zone: str | None = None,
        uploads: Uploads | None = None,
    ) -> None:  # fmt: skip
        self._ledger, self._data_dir, self._sensors, self._uploads = ledger, data_dir, sensors, uploads
        self._files = AssetWatch(ledger, data_dir)
        self._csv = MonitorCsv(data_dir / "gpu_monitor.csv")
        self._scheduler = AsyncIOScheduler(
            timezone=time_zone or zone_name(),
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        self._jumps = WallJumps(self._scheduler)
        self._watch: asyncio.TimerHandle | None = None
        self._failing: dict[str, str] = {}  # what fails again and again is said once

    def start(self) -> None:
        """Begin."""
        add: Callable[..., Any] = self._scheduler.add_job
        zone = self._scheduler.timezone
        add(self._sample, Every(seconds=1), id="sample")
        add(self._files.look, Every(minutes=1), id="watch-files")
        if self._uploads is not None:
            add(self._uploads.sweep, Every(minutes=5), id="clear-uploads")
        add(self._thin, At(minute=7, timezone=zone), id="thin-samples")
        late = 0
        for chore, run in ((CHECK, self._check_plan), (VERIFY, self._verify), (REHEARSE, self._rehearse)):
            add(run, chore.trigger(zone), id=chore.name)
            if is_missed(chore, self._data_dir, self._ledger.clock.now(), zone):
                late += 1
                add(run, "date", run_date=datetime.now(UTC) + timedelta(seconds=late * SETTLED_S), id=f"{chore.name}-late")
        self._scheduler.add_listener(self._failed, EVENT_JOB_ERROR | EVENT_JOB_MISSED)
        self._scheduler.add_listener(lambda event: self._failing.pop(event.job_id, None), EVENT_JOB_EXECUTED)
        self._scheduler.start()
        self._look_at_clock()

    def stop(self) -> None:
        """End; nothing is waited for."""
        if self._watch is not None:
            self._watch.cancel()
        self._scheduler.shutdown(wait=False)

    def _look_at_clock(self) -> None:
        self._jumps.look()
        self._watch = asyncio.get_running_loop().call_later(CLOCK_S, self._look_at_clock)

    async def _sample(self) -> None:
        readings = await asyncio.to_thread(self._sensors.read)
        try:
            self._csv.add(readings, self._ledger.clock.now())
            self._failing.pop("gpu_monitor", None)
        except OSError as error:
            self._say_once("gpu_monitor", f"gpu_monitor.csv cannot be written: {error}")

        def keep(turn: Turn) -> None:
            for reading in readings:
                turn.store.insert_sample(turn.at, reading.device, reading.body)
            for event in self._sensors.heard(turn.at, readings):
                turn.apply(event)
            end_pause_in_time(turn)

        self._ledger.post(keep)

    async def _thin(self) -> None:
        self._ledger.post(lambda turn: turn.store.thin_samples(turn.at))

    async def _verify(self) -> None:
        """In a process of its own: a million rows would hold this one up for seconds."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "scheduler.cli", "audit", "verify", "--data", str(self._data_dir), "--json",
            stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        out, _ = await process.communicate()
        verdict = json.loads(out) if out.strip() else {"message": "no answer"}
        outcome = "success" if process.returncode == 0 else "failure"
        self._ledger.post(lambda turn: turn.record("audit:verified", "audit", verdict, outcome))

    async def _check_plan(self) -> None:
        report = await run_check(self._data_dir)
        self._ledger.post(lambda turn: keep_check(turn, report))

    async def _rehearse(self) -> None:
        report = await run_rehearsal(self._data_dir)
        self._ledger.post(lambda turn: keep_rehearsal(turn, report))

    def _failed(self, event: JobExecutionEvent) -> None:
        what = "failed" if event.exception is not None else "missed"
        if not self._say_once(event.job_id, f"timetable: {event.job_id} {what}: {event.exception}"):
            return

        def note(turn: Turn) -> None:
            turn.record(f"timetable:{what}", f"timetable:{event.job_id}", {"error": str(event.exception or "")}, "failure")

        self._ledger.post(note)

    def _say_once(self, name: str, problem: str) -> bool:
        """Log a problem unless it is the one that was logged last under this name."""
        if self._failing.get(name) == problem:
            return False
        self._failing[name] = problem
        _log.error("%s", problem)
        return True
