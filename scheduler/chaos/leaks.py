"""What a run may not leave behind: processes that nobody knows, descriptors, memory files of ended jobs, shared memory."""

from __future__ import annotations

import os
import time
from pathlib import Path

from scheduler.chaos.census import Resident, expected, living, open_files, residents
from scheduler.chaos.house import ChaosHouse
from scheduler.chaos.points import Kind
from scheduler.core.job import FINAL_STATES
from scheduler.errors import SchedulerError
from scheduler.spawn import start_time

PATIENCE_S = 20.0  # the dying may take a moment; a media worker ends with its request
MORE_FILES = 24  # descriptors above the first count: connections of tabs, probes and readers come and go
_KEPT = (Kind.LAUNCHER, Kind.DAEMON, Kind.WEB, Kind.VAULT, Kind.FORECASTER)
_SHM = Path("/dev/shm")
_FOREIGN = "faketime_shm_"  # of the library that tells a house another wall clock


class Leaks:
    """Remembers what there was at the beginning."""

    def __init__(self, house: ChaosHouse) -> None:
        self._house = house
        self._first: dict[tuple[int, int], int] = {}  # (pid, start time) → descriptors when first seen quiet

    def look(self) -> list[str]:
        """Findings in a quiet house."""
        return self._strays() + self._descriptors() + self._memory()

    def look_after_the_end(self) -> list[str]:
        """Findings when the house was ended: any process of it is one too many."""
        deadline = time.monotonic() + PATIENCE_S
        while left := residents(self._house):
            if time.monotonic() > deadline:
                return [f"process {one.pid} outlived the house: {one.command[:120]}" for one in left]
            time.sleep(0.1)
        return []

    def _strays(self) -> list[str]:
        """Processes with our mark that neither launcher nor daemon knows of."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                known = expected(self._house)
                left = [one for one in residents(self._house) if one.pid not in known and _is_still(one)]
            except SchedulerError:
                left = []
            if not left:
                return []
            if time.monotonic() > deadline:
                return [f"process {one.pid} is nobody's: {one.command[:120]}" for one in left]
            time.sleep(0.1)

    def _descriptors(self) -> list[str]:
        """Long-lived processes hold about as many descriptors as when they were first seen quiet."""
        found = []
        for kind in _KEPT:
            for pid in living(self._house, kind):
                names = open_files(pid)
                first = self._first.setdefault((pid, start_time(pid) or 0), len(names))
                if len(names) > first + MORE_FILES:
                    most = max(set(names), key=names.count)
                    found.append(f"{kind} {pid} holds {len(names)} descriptors, {first} before (most often {most})")
        return found

    def _memory(self) -> list[str]:
        """Memory files of ended jobs in the vault, and anything of ours with a name in shared memory."""
        found, reader = [], self._house.reader
        deadline = time.monotonic() + PATIENCE_S
        while True:
            vault = self._house.status()["vault"]
            held = [] if vault is None else list(vault["contexts"])
            rows = {job_id: reader.job(job_id) for job_id in held}
            late = [job_id for job_id, row in rows.items() if row is None or row["state"] in FINAL_STATES]
            if not late or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        found += [f"the vault still holds the context of {job_id}, which has ended" for job_id in late]
        for one in residents(self._house):
            named = [name for name in open_files(one.pid) if name.startswith(f"{_SHM}{os.sep}") and _FOREIGN not in name]
            found += [f"process {one.pid} holds {name}" for name in named]
        return found


def _is_still(one: Resident) -> bool:
    return start_time(one.pid) == one.start_time
