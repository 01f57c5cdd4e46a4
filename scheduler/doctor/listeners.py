"""Who listens at a TCP port, as far as the kernel tells this user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_TABLES = ("net/tcp", "net/tcp6")
_LISTENS = "0A"


def listeners(port: int) -> list[int]:
    """Processes that listen at it; empty where they are another user's, or of another container."""
    inodes = {f"socket:[{inode}]" for inode in _inodes(port)}
    return sorted({pid for pid, link in _links() if link in inodes}) if inodes else []


def name_of(pid: int) -> str:
    """The program's short name; `?` where the process is gone."""
    try:
        return (_PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return "?"


def _inodes(port: int) -> Iterator[str]:
    for table in _TABLES:
        try:
            lines = (_PROC / table).read_text().splitlines()[1:]
        except OSError:
            continue  # a kernel without IPv6
        for fields in map(str.split, lines):
            if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _links() -> Iterator[tuple[int, str]]:
    for process in _PROC.iterdir():
        if not process.name.isdigit():
            continue
        try:
            for descriptor in (process / "fd").iterdir():
                yield int(process.name), str(descriptor.readlink())
        except OSError:
            continue  # it ended, or is another user's
