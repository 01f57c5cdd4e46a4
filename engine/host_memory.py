"""How much memory the host has, here and in this control group."""

from __future__ import annotations

from pathlib import Path

_MEMINFO, _LIMIT, _USED = (
    Path(p) for p in ("/proc/meminfo", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current")
)


def free_bytes() -> int:
    """What can be had without anybody being swapped out or killed."""
    free = _line("MemAvailable")
    limit = _limit()
    return free if limit is None else max(0, min(free, limit - int(_USED.read_text())))


def total_bytes() -> int:
    """All of it."""
    total = _line("MemTotal")
    limit = _limit()
    return total if limit is None else min(total, limit)


def _limit() -> int | None:
    """Of the control group, where it has one."""
    return int(text) if _LIMIT.exists() and (text := _LIMIT.read_text().strip()).isdigit() else None


def _line(name: str) -> int:
    lines = dict(line.split(":") for line in _MEMINFO.read_text().splitlines())
    return int(lines[name].split()[0]) * 1024
