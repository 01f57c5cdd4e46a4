"""Whether the data directory takes writes: room to go on with, and a file system that lets us."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from scheduler.errors import SchedulerError

NEEDED_BYTES = 16 << 20  # some blocks, and the store's log of a while
_PROBE_BYTES = 1 << 20
_FULL = {errno.ENOSPC, errno.EDQUOT}


def is_without_room(data_dir: Path) -> bool:
    """True while there is less than what is needed to go on."""
    return shutil.disk_usage(data_dir).free < NEEDED_BYTES


def prove_room(data_dir: Path) -> None:
    """Write and flush a file, and look at what is free. SchedulerError 507 `disk_full`, 503 `store_failed`."""
    probe = data_dir / "run" / "room-test"
    try:
        with probe.open("wb") as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise refusal_of(data_dir, error) from error
    finally:
        try:
            probe.unlink(missing_ok=True)
        except OSError as error:
            raise refusal_of(data_dir, error) from error
    if is_without_room(data_dir):
        free = shutil.disk_usage(data_dir).free >> 20
        raise _full(f"The disk of {data_dir} is full: {free} MiB are free, {NEEDED_BYTES >> 20} are needed.")


def refusal_of(data_dir: Path, error: OSError) -> SchedulerError:
    """The scheduler's error for a disk that refused."""
    if error.errno in _FULL:
        return _full(f"The disk of {data_dir} is full; nothing was changed.")
    return SchedulerError(
        503, "store_failed", f"The data directory {data_dir} cannot be written ({error.strerror}).",
        hint="Make it writable again; work goes on by itself.",
    )  # fmt: skip


def _full(message: str) -> SchedulerError:
    return SchedulerError(507, "disk_full", message, hint="Free some space; work goes on by itself.")
