"""How fast the disk reads, so how long it takes to load the weights from it.

Read is what lies there: weight files, or where there are none a temporary file without a name, which is gone with the process
that wrote it. Read past the page cache (O_DIRECT) where the file system can; otherwise the cache is asked to let go first, and
asked again whether it did.
"""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scheduler.core.healing_policy import Fault
from scheduler.doctor.data_dir import kind_of
from scheduler.doctor.finding import Finding, found
from scheduler.doctor.model_files import expected_bytes, weight_files
from scheduler.doctor.subject import Subject, is_mine_to_write, is_there
from scheduler.errors import SchedulerError
from scheduler.plan.check import ATTENTION, OK, UNKNOWN
from scheduler.plan.figures import size_text, time_text
from scheduler.policy_file import read_policy
from scheduler.preflight import MIN_FREE_BYTES

CHUNK_BYTES = 4 << 20
MOST_BYTES, MOST_S = 512 << 20, 3.0  # read at most so much, for so long
FEW_BYTES = 64 << 20  # of weights: less says little, so the temporary file is read
WRITTEN_BYTES, WRITTEN_S = 128 << 20, 3.0
_PAGE = mmap.PAGESIZE


@dataclass(frozen=True)
class Speed:
    """`cache`: direct (past it), dropped (let go of before), kept (could not be avoided)."""

    read_bytes: int
    seconds: float
    cache: str

    @property
    def bytes_per_s(self) -> float:
        """Bytes per second."""
        return self.read_bytes / max(self.seconds, 1e-6)


def speed_findings(subject: Subject) -> Iterator[Finding]:
    """Seconds to load the weights, held against the time that a worker has to start."""
    paths = weight_files(subject) if is_there(subject.model_dir) else []
    size = sum(path.stat().st_size for path in paths)
    needed, start_s = size or expected_bytes(subject.model), _start_s(subject)
    try:
        if size >= FEW_BYTES:
            speed, source = _read_files(paths), "weights"
        else:
            with _temporary(subject.place) as path:
                speed, source = _read_files([path]), "temporary"
    except OSError as error:
        yield found("disk speed", UNKNOWN, "speed_unknown", why=error.strerror or str(error), place=subject.place)
        return
    load_s = needed / speed.bytes_per_s
    place = paths[0] if source == "weights" else subject.place
    figures = {
        "bytes_per_s": round(speed.bytes_per_s), "read_bytes": speed.read_bytes, "seconds": round(speed.seconds, 4),
        "source": source, "cache": speed.cache, "weights_bytes": needed, "are_weights_here": bool(size),
        "load_s": round(load_s, 2), "start_s": start_s, "file_system": kind_of(place),
    }  # fmt: skip
    words = {
        "speed": size_text(speed.bytes_per_s), "read": size_text(speed.read_bytes), "needed": size_text(needed),
        "load": time_text(load_s), "limit": time_text(start_s), "model": subject.model,
    }  # fmt: skip
    if speed.cache == "kept":
        yield found("disk speed", UNKNOWN, "speed_of_cache", figures, **words)
    elif load_s > start_s:
        yield found("disk speed", ATTENTION, "speed_slow", figures, **words)
    else:
        yield found("disk speed", OK, f"speed_{speed.cache}", figures, **words)


def _start_s(subject: Subject) -> float:
    """How long a worker may take until it is ready, as the house's policy has it, or the defaults where that is broken."""
    try:
        return read_policy(subject.data_dir, slot_memory_bytes=1).healing[Fault.HUNG_STEP]["start_s"]
    except SchedulerError:  # `role_scheduler --validate` says what is wrong with it
        return read_policy(Path(os.devnull), slot_memory_bytes=1).healing[Fault.HUNG_STEP]["start_s"]


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """A file of random bytes on this disk, written through to it. OSError where there is no room or no right."""
    if not is_mine_to_write(folder):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    free = os.statvfs(folder)
    room = free.f_bavail * free.f_frsize - MIN_FREE_BYTES
    size = min(WRITTEN_BYTES, room // CHUNK_BYTES * CHUNK_BYTES)
    if size <= 0:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with tempfile.TemporaryFile(dir=folder) as file:
        until = time.monotonic() + WRITTEN_S
        while file.tell() < size and (not file.tell() or time.monotonic() < until):
            file.write(os.urandom(CHUNK_BYTES))
        file.flush()
        os.fsync(file.fileno())
        yield Path(f"/proc/self/fd/{file.fileno()}")


def _read_files(paths: list[Path]) -> Speed:
    """Read them one after another until enough was read."""
    done, taken, cache = 0, 0.0, "direct"
    with mmap.mmap(-1, CHUNK_BYTES) as buffer:
        for path in paths:
            descriptor, how = _open(path)
            cache = max(cache, how, key=("direct", "dropped", "kept").index)
            begun = time.perf_counter()
            try:
                done += _read(descriptor, buffer, MOST_BYTES - done, MOST_S - taken)
            finally:
                taken += time.perf_counter() - begun
                os.close(descriptor)
            if done >= MOST_BYTES or taken >= MOST_S:
                break
    return Speed(done, taken, cache)


def _open(path: Path) -> tuple[int, str]:
    """(descriptor, what becomes of the page cache)."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECT)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    else:
        return descriptor, "direct"
    descriptor = os.open(path, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    return descriptor, "kept" if _is_cached(descriptor) else "dropped"


def _is_cached(descriptor: int) -> bool:
    """Whether pages are still in memory: those can be read without waiting for the disk."""
    page, size = bytearray(_PAGE), os.fstat(descriptor).st_size
    for place in {0, size // 2 // _PAGE * _PAGE, max(0, (size - 1) // _PAGE * _PAGE)}:
        try:
            if os.preadv(descriptor, [page], place, os.RWF_NOWAIT):
                return True
        except BlockingIOError:
            continue
        except OSError:
            return True  # it cannot be asked, so it is not sure
    return False


def _read(descriptor: int, buffer: mmap.mmap, most: int, seconds: float) -> int:
    done, until = 0, time.perf_counter() + seconds
    while done < most and time.perf_counter() < until:
        count = os.readv(descriptor, [buffer])
        done += count
        if count < CHUNK_BYTES:
            break
    return done
