"""Checks before anything is started: each failure is one clear sentence with the way out, and an exit code."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
from pathlib import Path
from typing import IO

EXIT_PORT_IN_USE = 70
EXIT_NO_RIGHTS = 77
EXIT_NO_SPACE = 74
EXIT_ALREADY_RUNNING = 75
MIN_FREE_BYTES = 200 << 20
WARN_FREE_BYTES = 2 << 30


class CannotStart(Exception):
    """Greenroom cannot start here. Carries the sentence for the person and the exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def prepare_data_dir(data_dir: Path) -> None:
    """Make the data directory with its folders; check that it can be written and has room."""
    try:
        for name in ("run", "logs", "jobs", "assets", "models"):
            (data_dir / name).mkdir(parents=True, exist_ok=True)
        (data_dir / "run").chmod(0o700)
        probe = data_dir / "run" / "write-test"
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise CannotStart(f"The disk of {data_dir} is full. Free some space and start again.", EXIT_NO_SPACE) from error
        raise CannotStart(
            f"The data directory {data_dir} cannot be written ({error.strerror}). "
            "Choose another with --data DIR or change its rights.",
            EXIT_NO_RIGHTS,
        ) from error
    free = shutil.disk_usage(data_dir).free
    if free < MIN_FREE_BYTES:
        raise CannotStart(
            f"Only {free >> 20} MiB are free on the disk of {data_dir}; at least {MIN_FREE_BYTES >> 20} MiB are needed. "
            "Free some space or choose another directory with --data DIR.",
            EXIT_NO_SPACE,
        )


def lock_data_dir(data_dir: Path) -> IO[str]:
    """Hold the data directory for one launcher; the lock goes with the returned file."""
    file = (data_dir / "run" / "launcher.lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise CannotStart(
            f"Greenroom is already running on {data_dir} (process {owner}). Stop it first, or use --data DIR for another.",
            EXIT_ALREADY_RUNNING,
        ) from error
    file.seek(0)
    file.truncate()
    file.write(str(os.getpid()))
    file.flush()
    return file


def check_port(host: str, port: int) -> None:
    """Refuse when somebody else listens there."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    except OSError as error:
        raise _not_ours(host) from error
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except PermissionError as error:
            raise CannotStart(f"Port {port} needs more rights. Use a port above 1023: --port 8000.", EXIT_NO_RIGHTS) from error
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise _not_ours(host) from error
            raise CannotStart(
                f"Port {port} on {host} is in use ({error.strerror}). Stop what listens there, or use --port {port + 1}.",
                EXIT_PORT_IN_USE,
            ) from error


def _not_ours(host: str) -> CannotStart:
    return CannotStart(f"The address {host!r} is not one of this machine. Use --host 127.0.0.1.", EXIT_PORT_IN_USE)
