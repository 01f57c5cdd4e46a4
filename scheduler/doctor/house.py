"""Does a house run on this data directory, and what of its processes still runs where it does not?"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.regular_file import is_no_file
from scheduler.doctor.finding import Finding, found
from scheduler.doctor.subject import Subject, is_there
from scheduler.door import socket_path
from scheduler.plan.check import BAD, OK
from scheduler.reach import announced_url
from scheduler.spawn import ProcessList, ProcessRecord
from scheduler.transport import short_path

_LOCKS = Path("/proc/locks")
_KNOCK_S = 2.0


@dataclass(frozen=True)
class RunningHouse:
    """`pid`: its launcher's, None where that is not to be seen from here (another container); `url`: None before it is up."""

    pid: int | None
    url: str | None


def running_house(subject: Subject) -> RunningHouse | None:
    """The house of this data directory. The kernel's list of locks is read, none is taken: a `serve` that starts at this
    moment must not find its directory locked by who only looks."""
    owner = _lock_owner(subject.run_dir / "launcher.lock")
    if owner is None and not answers(socket_path(subject.data_dir)):
        return None
    if owner is None and orphans(subject):
        return None  # a daemon that outlived its launcher
    return RunningHouse(owner, announced_url(subject.data_dir))


def orphans(subject: Subject) -> list[ProcessRecord]:
    """Processes that a house of this directory started and that still run. Ask only where no house runs."""
    return ProcessList(subject.run_dir).alive()


def answers(place: Path) -> bool:
    """Whether somebody listens at a Unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(_KNOCK_S)
        try:
            sock.connect(short_path(place))
        except OSError:
            return False
    return True


def house_findings(subject: Subject) -> Iterator[Finding]:
    """Running here, at rest, or never started."""
    house, database = running_house(subject), subject.data_dir / "greenroom.db"
    figures = {"pid": house and house.pid, "url": house and house.url}
    if house is not None:
        pid, url = house.pid or "?", house.url or "?"
        yield found("house", OK, "house_runs", figures | {"state": "running"}, pid=pid, url=url)
    elif is_there(database) and is_no_file(database):
        yield found("house", BAD, "house_no_file", figures | {"state": "unusable"}, place=database)
    elif is_there(database):
        yield found("house", OK, "house_rests", figures | {"state": "at rest"}, data=subject.data_dir)
    else:
        yield found("house", OK, "house_new", figures | {"state": "new"}, data=subject.data_dir)


def _lock_owner(file: Path) -> int | None:
    """The process that wrote itself into the file and holds an flock on it; None where there is none, or none that can be seen.

    Devices are not compared: those of btrfs and overlay have other numbers in the list than in a file's status.
    """
    try:
        inode, lines = str(file.stat().st_ino), _LOCKS.read_text().splitlines()
        written = file.read_text().strip()
    except OSError:
        return None
    for line in lines:
        match line.split():
            case [_, "FLOCK", _, _, pid, place, *_] if place.rpartition(":")[2] == inode and pid == written:
                return int(pid)
    return None
