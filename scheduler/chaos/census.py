"""Who lives in a house: by its own list, by the daemon's word, by the mark in the environment."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from scheduler.chaos.house import MARK, ChaosHouse
from scheduler.chaos.points import Kind
from scheduler.child_watch import children
from scheduler.errors import SchedulerError
from scheduler.spawn import start_time

_PROC = Path("/proc")
_AFTERWARDS = ("engine.media.quality", "engine.media one")  # a finished video gets its scores, a session its one video


@dataclass(frozen=True)
class Resident:
    """A living process."""

    pid: int
    start_time: int
    command: str


def living(house: ChaosHouse, kind: Kind) -> list[int]:
    """Living processes of a kind, oldest first; none while they cannot be told."""
    if kind is Kind.LAUNCHER:
        return [house.launcher.pid] if house.launcher is not None and house.launcher.poll() is None else []
    if kind is Kind.MEDIA:
        return [one.pid for one in media_workers(house)]
    listed = [record.pid for record in house.processes.alive() if record.kind == ("worker" if kind is Kind.STANDBY else kind)]
    if kind is Kind.WEB:
        return [pid for master in listed for pid in (master, *children(master))]
    if kind not in (Kind.WORKER, Kind.STANDBY):
        return listed
    try:
        status = house.status()
    except SchedulerError:
        return listed if kind is Kind.WORKER else []
    active = [slot["pid"] for slot in status["slots"] if slot["pid"]]
    standby = [one["pid"] for one in status["standby"]]
    return active if kind is Kind.WORKER else standby


def residents(house: ChaosHouse) -> list[Resident]:
    """Every process that carries the house's mark, and the media workers, which have an environment of their own."""
    return media_workers(house) + marked(house.mark)


def marked(mark: str) -> list[Resident]:
    """Every process with this mark of a house in its environment."""
    wanted, found = f"{MARK}={mark}".encode(), []
    for pid in _pids():
        with contextlib.suppress(OSError):
            if wanted in (_PROC / str(pid) / "environ").read_bytes().split(b"\0") and (one := resident(pid)):
                found.append(one)
    return found


def media_workers(house: ChaosHouse) -> list[Resident]:
    """Throw-away processes that look at files of this house."""
    places = (f"{house.home}/", f"{house.data_dir}/")  # house-20 is not house-2
    found = []
    for pid in _pids():
        one = resident(pid)
        if one is not None and "engine.media" in one.command and any(place in one.command for place in places):
            found.append(one)
    return found


def expected(house: ChaosHouse) -> set[int]:
    """The processes that a quiet house has, by the word of launcher's list and daemon. SchedulerError while it is away."""
    status = house.status()
    known = {status["daemon"]["pid"], *(slot["pid"] for slot in status["slots"]), *(one["pid"] for one in status["standby"])}
    if status["vault"] is not None:
        known.add(status["vault"]["pid"])
    if house.launcher is not None:
        known.add(house.launcher.pid)
    known |= {record.pid for record in house.processes.alive() if record.kind in (Kind.FORECASTER, Kind.SPARE)}
    masters = [record.pid for record in house.processes.alive() if record.kind == Kind.WEB]
    for master in masters[-1:]:
        known |= {master, *children(master)}
    known |= {pid for pid in children(status["daemon"]["pid"]) if (one := resident(pid)) and is_afterwards(one)}
    return {pid for pid in known if pid}


def is_afterwards(one: Resident) -> bool:
    """Does it look at finished videos? A quiet house may do that at any time."""
    return any(program in one.command for program in _AFTERWARDS)


def open_files(pid: int) -> list[str]:
    """What a process's descriptors point to; empty when it is gone."""
    names = []
    with contextlib.suppress(OSError):
        for link in (_PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                names.append(str(link.readlink()))
    return names


def _pids() -> list[int]:
    return [int(path.name) for path in _PROC.iterdir() if path.name.isdigit() and int(path.name) != os.getpid()]


def resident(pid: int) -> Resident | None:
    """The process as it is now; None when it is gone."""
    try:
        command = (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return None
    started = start_time(pid)
    return None if started is None else Resident(pid, started, command)
