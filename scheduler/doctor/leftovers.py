"""What a run that was killed leaves behind: processes, sockets, its address, files half written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from scheduler.doctor.finding import Finding, found
from scheduler.doctor.house import answers, orphans, running_house
from scheduler.doctor.subject import Subject
from scheduler.plan.check import ATTENTION, OK
from scheduler.plan.figures import size_text
from scheduler.reach import announced_url

MOST_FILES = 200_000  # looked at; a studio with more of them has its half-written ones told as "at least"
NAMED = 3
_HALF = ".part"


def leftover_findings(subject: Subject) -> Iterator[Finding]:
    """While a house runs here its sockets, processes and half-written files are in use, and nothing of them is told."""
    if running_house(subject) is not None:
        yield found("leftovers", OK, "leftovers_in_use")
        return
    findings = [*_processes(subject), *_sockets(subject), *_address(subject), *_halves(subject.data_dir)]
    yield from findings or [found("leftovers", OK, "leftovers_none")]


def _processes(subject: Subject) -> Iterator[Finding]:
    if alive := orphans(subject):
        figures = {"processes": [{"kind": one.kind, "pid": one.pid} for one in alive]}
        words = ", ".join(f"{one.kind} {one.pid}" for one in alive)
        pids = " ".join(str(one.pid) for one in alive)
        yield found("leftovers processes", ATTENTION, "orphans", figures, count=len(alive), words=words, pids=pids)


def _sockets(subject: Subject) -> Iterator[Finding]:
    stale = sorted(place.name for place in subject.run_dir.glob("*.sock") if not answers(place))
    if stale:
        words = {"words": ", ".join(stale), "run": subject.run_dir}
        yield found("leftovers sockets", ATTENTION, "stale_sockets", {"sockets": stale}, **words)


def _address(subject: Subject) -> Iterator[Finding]:
    if (url := announced_url(subject.data_dir)) is not None:
        yield found("leftovers address", ATTENTION, "stale_address", {"url": url}, url=url, run=subject.run_dir)


def _halves(data_dir: Path) -> Iterator[Finding]:
    """Files half written: nobody writes them any more, and nobody reads them."""
    count, size, looked = 0, 0, 0
    names: list[str] = []
    for place, folders, files in os.walk(data_dir):
        looked += len(files) + len(folders)
        for name in (*files, *(folder for folder in folders if folder.endswith(_HALF))):
            if not name.endswith(_HALF):
                continue
            path = Path(place, name)
            count += 1
            size += _size(path)
            if len(names) < NAMED:
                names.append(str(path.relative_to(data_dir)))
        if looked > MOST_FILES:
            break
    if count:
        figures = {"count": count, "bytes": size, "first": names, "is_all": looked <= MOST_FILES}
        words = ", ".join(names) + (", …" if count > len(names) else "")
        yield found(
            "leftovers files", ATTENTION, "half_files", figures, count=count, size=size_text(size), words=words, data=data_dir
        )


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:  # gone meanwhile, or in a folder that may not be searched
        return 0
