"""The data directory's disk: rights, kind of file system, free space."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from scheduler.doctor.finding import Finding, found
from scheduler.doctor.subject import Subject, is_mine_to_write, is_there
from scheduler.plan.check import ATTENTION, BAD, OK, UNKNOWN
from scheduler.plan.figures import size_text
from scheduler.preflight import MIN_FREE_BYTES, WARN_FREE_BYTES

_MOUNTS = Path("/proc/self/mountinfo")
_OF_OTHERS = {"nfs", "nfs4", "cifs", "smb3", "9p", "afs", "ceph", "lustre", "gpfs", "beegfs", "glusterfs", "fuse.sshfs"}
_IN_MEMORY = {"tmpfs", "ramfs"}
_OURS = ("run", "logs", "jobs", "assets", "models")


def rights_findings(subject: Subject) -> Iterator[Finding]:
    """Can it be written, or made where it does not exist?"""
    place, data = subject.place, subject.data_dir
    is_here = is_there(data)
    figures = {"data_dir": str(data), "exists": is_here}
    if not place.is_dir():
        yield found("data directory", BAD, "data_no_folder", figures, place=place)
        return
    folders = [place, *(data / name for name in _OURS if is_here and is_there(data / name))]
    closed = [str(folder) for folder in folders if not is_mine_to_write(folder)]
    if closed:
        yield found("data directory", BAD, "data_closed", figures | {"closed": closed}, words=", ".join(closed))
    else:
        yield found("data directory", OK, "data_open" if is_here else "data_new", figures, data=data, place=place)


def file_system_findings(subject: Subject) -> Iterator[Finding]:
    """Of which kind: the database needs working file locks, and what lies in memory is gone with the machine."""
    kind = kind_of(subject.place)
    figures = {"file_system": kind}
    if kind is None:
        yield found("file system", UNKNOWN, "disk_kind_unknown", figures, data=subject.place)
    elif kind in _OF_OTHERS:
        yield found("file system", ATTENTION, "disk_of_others", figures, kind=kind)
    elif kind in _IN_MEMORY:
        yield found("file system", ATTENTION, "disk_in_memory", figures, kind=kind)
    else:
        yield found("file system", OK, "disk_local", figures, kind=kind)


def space_findings(subject: Subject) -> Iterator[Finding]:
    """Free space: `serve` refuses to start below the first mark, and below the second it is soon used up."""
    usage = shutil.disk_usage(subject.place)
    state = BAD if usage.free < MIN_FREE_BYTES else ATTENTION if usage.free < WARN_FREE_BYTES else OK
    figures = {"free_bytes": usage.free, "total_bytes": usage.total, "needed_bytes": MIN_FREE_BYTES}
    words = {"free": size_text(usage.free), "total": size_text(usage.total), "needed": size_text(MIN_FREE_BYTES)}
    yield found("free space", state, "space", figures, **words)


def kind_of(place: Path) -> str | None:
    """The file system's name, `ext4`; None where the kernel does not tell."""
    try:
        lines = _MOUNTS.read_text().splitlines()
    except OSError:
        return None
    found_at, kind = -1, None
    place = place.resolve()
    for line in lines:
        before, _, after = line.partition(" - ")
        mount = Path(before.split()[4].replace("\\040", " "))
        if place.is_relative_to(mount) and len(mount.parts) >= found_at:  # of several at one place the last is on top
            found_at, kind = len(mount.parts), after.split()[0]
    return kind
