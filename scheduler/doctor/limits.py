"""What the system allows a process: shared memory, open files, sizes."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

from scheduler.doctor.finding import Finding, found
from scheduler.doctor.subject import Subject
from scheduler.plan.check import ATTENTION, BAD, OK, UNKNOWN
from scheduler.plan.figures import size_text

SHARED_MEMORY = Path("/dev/shm")
LITTLE_SHARED_BYTES = 1 << 30  # containers have 64 MiB where nobody says more, which groups of GPUs fail at
FEW_FILES, TOO_FEW_FILES = 1024, 128
SMALL_FILE_BYTES, TINY_FILE_BYTES = 4 << 30, 64 << 20


def shared_memory_findings(_subject: Subject) -> Iterator[Finding]:
    """`/dev/shm`. The vault's memory files have no name and lie elsewhere; NCCL and data loaders of torch use it."""
    try:
        sizes = os.statvfs(SHARED_MEMORY)
    except OSError as error:
        yield found("shared memory", UNKNOWN, "shm_missing", why=error.strerror)
        return
    total, free = sizes.f_blocks * sizes.f_frsize, sizes.f_bavail * sizes.f_frsize
    state = ATTENTION if free < LITTLE_SHARED_BYTES else OK
    figures = {"free_bytes": free, "total_bytes": total}
    words = {"free": size_text(free), "total": size_text(total), "mark": size_text(LITTLE_SHARED_BYTES)}
    yield found("shared memory", state, "shm", figures, **words)


def limit_findings(_subject: Subject) -> Iterator[Finding]:
    """Limits of this shell, which `serve` would start under (ulimit -a)."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    state = BAD if 0 <= files < TOO_FEW_FILES else ATTENTION if 0 <= files < FEW_FILES else OK
    words = {"count": _text(files, str), "mark": FEW_FILES}
    yield found("limit open files", state, "limit_files", {"soft": _number(files)}, **words)
    size, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    state = BAD if 0 <= size < TINY_FILE_BYTES else ATTENTION if 0 <= size < SMALL_FILE_BYTES else OK
    words = {"size": _text(size, size_text), "mark": size_text(SMALL_FILE_BYTES)}
    yield found("limit file size", state, "limit_size", {"soft_bytes": _number(size)}, **words)
    space, _ = resource.getrlimit(resource.RLIMIT_AS)
    state = OK if space == resource.RLIM_INFINITY else ATTENTION
    figures = {"soft_bytes": _number(space)}
    yield found("limit address space", state, "limit_space", figures, size=_text(space, size_text))
    locked, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    figures = {"soft_bytes": _number(locked)}
    yield found("limit locked memory", OK, "limit_locked", figures, size=_text(locked, size_text))


def _number(limit: int) -> int | None:
    return None if limit == resource.RLIM_INFINITY else limit


def _text(limit: int, spell: object) -> dict[str, str]:
    if limit == resource.RLIM_INFINITY:
        return {"en": "no limit", "zh": "不限"}
    assert callable(spell)
    return {"en": spell(limit), "zh": spell(limit)}
