"""A directory that is there whole or not at all, whoever is killed while it is made."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from engine.errors import DiskFull, WeightsError

SPARE_BYTES = 64 << 20  # left free on the disk for everybody else


class TargetRefused(WeightsError):
    """The place for the weights cannot be used."""

    code = "bad_target"


@contextlib.contextmanager
def workplace(target: Path, *, wait: bool) -> Iterator[Path]:
    """An empty directory beside `target`, to be filled and then `publish`ed; what is left of it is removed.

    One process at a time: with `wait` the others wait, else they are refused. A process that was killed leaves a hidden
    directory, which the next one removes. Raises DiskFull, TargetRefused.
    """
    part = target.with_name(f".{target.name}.part")
    with _told(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target.with_name(f".{target.name}.lock"), target, wait=wait):
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            try:
                yield part
            finally:
                shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def _locked(path: Path, target: Path, *, wait: bool) -> Iterator[None]:
    while True:
        with path.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError as error:
                hint = "Wait for it, or name another directory."
                raise TargetRefused(f"{target} is being written by another process.", hint=hint) from error
            if not path.exists() or not path.samefile(f"/proc/self/fd/{lock.fileno()}"):
                continue  # the one before took its lock file away: it is not this one any more
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


def publish(part: Path, target: Path) -> None:
    """Give the finished directory its name, durably. Raises OSError."""
    for path in (*part.rglob("*"), part):
        _sync(path)
    part.rename(target)
    _sync(target.parent)


def check_room(target: Path, needed_bytes: int) -> None:
    """Raises DiskFull when the disk of `target` has not so much room, with what is missing."""
    place = target.parent
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < needed_bytes + SPARE_BYTES:
        what = f"{target} needs {_gb(needed_bytes)}; {_gb(free)} are free there."
        raise DiskFull(what, hint="Free some space, or name a directory on another disk.", needed_bytes=needed_bytes)


@contextlib.contextmanager
def _told(target: Path) -> Iterator[None]:
    """The operating system's refusals as sentences."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = "Free some space, or name a directory on another disk."
            raise DiskFull(f"{target} could not be written.", hint=hint) from error
        place = Path(error.filename or target)
        if not (place.is_relative_to(target.parent) or target.is_relative_to(place)):  # a file that was read
            raise WeightsError(f"{place} cannot be read: {error.strerror}.", hint="Look after it, then try again.") from error
        raise TargetRefused(f"{target} cannot be written: {error.strerror}.", hint="Name another directory.") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _gb(count: int) -> str:
    return f"{count / 1e9:.2f} GB"
