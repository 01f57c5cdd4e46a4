"""sha256 of files, remembered by path, size and time of change: 40 GB are not read again at every start."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.regular_file import open_regular

STEP_BYTES = 8 << 20
ALWAYS_READ_BELOW = 64 << 20  # bytes; a small file is hashed every time: that costs nothing and trusts nothing
OnBytes = Callable[[int], None]  # so many more bytes were read


class FileHashes:
    """Hashes of files; with a `store` (a JSON file) those of large files are remembered across processes.

    What changes a file without changing its size or time of change (a failing disk) is not noticed by a remembered
    hash: `weights check --deep` reads everything. A store that cannot be written is done without.
    """

    def __init__(self, store: Path | None = None) -> None:
        self._store = store

    def of(self, path: Path, on_bytes: OnBytes | None = None) -> str:
        """The file's sha256, remembered or read now. Raises OSError."""
        known = self.remembered(path)
        if known is not None:
            if on_bytes:
                on_bytes(path.stat().st_size)
            return known
        before = _identity(path)
        sha256 = hash_file(path, on_bytes)
        if _identity(path) == before:
            self.remember(path, sha256)
        return sha256

    def remembered(self, path: Path) -> str | None:
        """The hash from the store if the file is large and has not changed since."""
        if self._store is None or path.stat().st_size < ALWAYS_READ_BELOW:
            return None
        match self._read().get(str(path.resolve())):
            case [identity, str(sha256)] if identity == _identity(path):
                return sha256
            case _:
                return None

    def remember(self, path: Path, sha256: str) -> None:
        """Keep a hash that somebody computed from the content just now."""
        if self._store is None or path.stat().st_size < ALWAYS_READ_BELOW:
            return
        with contextlib.suppress(OSError), self._locked(self._store):
            data = {**self._read(), str(path.resolve()): [_identity(path), sha256]}
            part = self._store.with_name(f"{self._store.name}.part-{os.getpid()}")
            part.write_text(json.dumps(data, indent=1))
            part.replace(self._store)

    def _read(self) -> dict[str, object]:
        assert self._store is not None
        try:
            data = json.loads(self._store.read_text())
        except (OSError, ValueError):
            return {}  # not there yet, or torn: everything is read once more
        return data if isinstance(data, dict) else {}

    @contextlib.contextmanager
    def _locked(self, store: Path) -> Iterator[None]:
        store.parent.mkdir(parents=True, exist_ok=True)
        with store.with_name(f"{store.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def hash_file(path: Path, on_bytes: OnBytes | None = None) -> str:
    """Read the whole file. Raises OSError."""
    digest = hashlib.sha256()
    with open_regular(path) as file:
        while data := file.read(STEP_BYTES):
            digest.update(data)
            if on_bytes:
                on_bytes(len(data))
    return digest.hexdigest()


def _identity(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns]
