"""Files that are either there whole or not at all: `.part` → fsync → rename → fsync of the directory."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import DiskFull


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Yields the path to write to; on leaving, that file becomes `target` durably. After an error nothing is left.

    Raises DiskFull where the disk has no room, OSError for everything else that the file system refuses.
    """
    make_folder(target.parent)
    part = target.with_name(target.name + ".part")
    try:
        yield part
        sync(part)
        part.replace(target)
        sync(target.parent)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"{target} could not be written.", hint="Free some space; the job goes on by itself."
            ) from error
        raise
    finally:
        part.unlink(missing_ok=True)  # already renamed where all went well


def write_whole(target: Path, data: bytes) -> None:
    """Write `data` as `target`, durably; raises as `whole_file` does."""
    with whole_file(target) as part:
        part.write_bytes(data)


def make_folder(folder: Path) -> None:
    """Make a directory and those above it that are missing, each durably: a file cannot outlast the name of its folder."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync(folder.parent)


def sync(path: Path) -> None:
    """Flush a file or a directory to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
