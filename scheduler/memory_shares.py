"""Who holds a device's memory: the vault's weights and prepared roles, each job, our own processes. The rest is not ours.

On a machine without GPUs the vault lies in the same memory as everything else, so its files and contexts are shares of it.
On a GPU the driver says which process holds how much; where it does not say so, nothing is claimed.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from engine import protocol
from scheduler.core.machine import State
from scheduler.probe import Reading
from scheduler.spawn import ProcessList
from scheduler.supervisor import Supervisor

NAMED_JOBS = 6  # the largest; contexts of further jobs are one share, "parked"
LIST_KEPT_S = 15.0  # so long the list of our processes is believed
OURS = "greenroom"


class MemoryShares:
    """Gives `{owner: bytes}` of a reading. Owners: weights, prepared, greenroom, job:<id>, parked."""

    def __init__(
        self, run_dir: Path, vault: Callable[[], protocol.VaultStatus | None], workers: Callable[[], Mapping[int, str | None]]
    ) -> None:
        """`workers`: process id of each worker → the job that it makes, None for one that makes none."""
        self._processes, self._vault, self._workers = ProcessList(run_dir), vault, workers
        self._listed: tuple[float, list[int]] = (0.0, [])

    def of(self, reading: Reading) -> dict[str, int]:
        """Bytes by owner; empty where nothing can be said."""
        if reading.device != "cpu":
            return self._by_process(reading)
        held: Counter[str] = Counter()
        jobs: Counter[str] = Counter()
        if (vault := self._vault()) is not None:
            held["weights"] += sum(vault.files.values())
            held["prepared"] += sum(vault.conditions.values())
            jobs.update(vault.contexts)
        workers = self._workers()
        for pid in {*workers, *self._own()}:
            job = workers.get(pid)
            if job is None:
                held[OURS] += _private_bytes(pid)
            else:
                jobs[job] += _private_bytes(pid)
        return _named(held, jobs)

    def _by_process(self, reading: Reading) -> dict[str, int]:
        held: Counter[str] = Counter()
        jobs: Counter[str] = Counter()
        workers = self._workers()
        own = {*workers, *self._own()}
        for pid, size in reading.body.get("processes", ()):
            job = workers.get(pid)
            if job is not None:
                jobs[job] += size
            elif pid in own:
                held[OURS] += size
        return _named(held, jobs)

    def _own(self) -> list[int]:
        """Our processes without the workers' guesses: what is in the list, and this one."""
        now = time.monotonic()
        if now - self._listed[0] > LIST_KEPT_S or not self._listed[1]:
            listed = [record.pid for record in self._processes.alive()]
            self._listed = now, [os.getpid(), *listed, *(child for pid in listed for child in _children(pid))]
        return self._listed[1]


def jobs_by_process(supervisor: Supervisor, state: State) -> dict[int, str | None]:
    """Process id of each worker → the job of its slot. Read from another thread: nothing here grows while it is read."""
    found: dict[int, str | None] = {}
    for slot in list(supervisor.slots):
        found |= {link.pid: None for link in list(slot.standbys)}
        if (link := slot.active) is not None:
            found[link.pid] = state.slots[slot.number].job_id
    return found


def _named(held: Counter[str], jobs: Counter[str]) -> dict[str, int]:
    """The largest jobs by name; memory that is less than a page is no share."""
    for place, (job, size) in enumerate(jobs.most_common()):
        held[f"job:{job}" if place < NAMED_JOBS else "parked"] += size
    return {owner: size for owner, size in held.items() if size >= 4096}


def _private_bytes(pid: int) -> int:
    """Memory of a process that it shares with nobody; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon:")), 0)


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
