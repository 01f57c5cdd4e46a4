"""What holds before a file of people's is taken in: its size and the room on the disk. The web asks before a byte has come,
the daemon again before it looks inside; both ask here."""

from __future__ import annotations

import shutil
from pathlib import Path

from scheduler.core.uploads import UploadsPolicy
from scheduler.errors import SchedulerError

INCOMING = "incoming"  # folder of the data directory: what is still on its way
MIB = 1 << 20
_SMALLER = {"portrait": "Export it smaller, as JPEG or PNG.", "voice": "Export it as FLAC or MP3, or cut it into parts."}


def check_size(policy: UploadsPolicy, kind: str, name: str, size: int) -> None:
    """SchedulerError 413 for a file that is larger than its kind may be. `size`: bytes."""
    most = policy.most_bytes(kind)
    if size > most:
        mib, most_mib = f"{size / MIB:.1f}", f"{most / MIB:.0f}"
        raise SchedulerError(
            413, "too_large", f"{name} has {mib} MiB; a {kind} may have {most_mib} MiB.", field=kind, hint=_SMALLER[kind],
            mib=mib, most_mib=most_mib,
        )  # fmt: skip


def check_disk(data_dir: Path, size: int, mark_bytes: float) -> None:
    """SchedulerError 507 where a file on its way and its copy would leave less than the mark of a low disk."""
    free = shutil.disk_usage(data_dir).free
    if free - 2 * size < mark_bytes:
        free_mib, mark_mib = f"{free / MIB:.0f}", f"{mark_bytes / MIB:.0f}"
        raise SchedulerError(
            507, "disk_low", f"The disk has {free_mib} MiB left; no files are taken in below {mark_mib} MiB.",
            hint="Free some space, or use the role's own portrait and voice.", free_mib=free_mib, mark_mib=mark_mib,
        )  # fmt: skip
