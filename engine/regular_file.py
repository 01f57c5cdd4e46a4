"""Opening what is to be a file: a pipe would wait for a writer for ever, a device has no end."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path


class NoRegularFile(OSError):
    """What lies there is no regular file."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(errno.EINVAL, "it is no regular file", str(path))


def regular_descriptor(path: str | Path) -> int:
    """An open descriptor of the file; links are followed. Raises NoRegularFile for a pipe, a device, a folder; else OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # O_NONBLOCK: a pipe opens at once
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NoRegularFile(path)
    return descriptor


def open_regular(path: str | Path) -> io.BufferedReader:
    """The same as a file object."""
    return os.fdopen(regular_descriptor(path), "rb")


def read_regular(path: str | Path) -> bytes:
    """All that is in the file. Raises as `regular_descriptor`."""
    with open_regular(path) as file:
        return file.read()


def is_no_file(path: Path) -> bool:
    """Something lies there, and it is no regular file."""
    return path.exists() and not path.is_file()
