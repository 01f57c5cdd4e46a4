"""Reading a model file into memory in small steps, hashed on the way, so that other clients need not wait for it."""

from __future__ import annotations

import hashlib
import os

from engine.regular_file import regular_descriptor
from engine.vault import memory_file

STEP_BYTES = 8 << 20


class FileLoad:
    """One file on its way into the vault: `begin`, then `step` until it says True, then `finish`; or `abandon`.

    Raises OSError when the file cannot be read.
    """

    def __init__(self, path: str, owner: str) -> None:
        self.path = path
        self.owner = owner
        self._source = regular_descriptor(path)
        status = os.fstat(self._source)
        self.bytes = status.st_size
        self.identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        self._target = -1
        self._hash = hashlib.sha256()
        self._done = 0

    def begin(self) -> None:
        """Take the memory. Raises OSError when there is none."""
        self._target = memory_file.create_open(f"file-{os.path.basename(self.path)}", self.bytes)  # noqa: PTH119

    def step(self) -> bool:
        """Read a little more; True when the file is complete. Raises OSError, also when the file changed its length."""
        data = os.read(self._source, STEP_BYTES)
        if data:
            if self._done + len(data) > self.bytes:
                raise OSError(0, "the file grew while it was read")
            self._hash.update(data)
            memory_file.write_all(self._target, memoryview(data))
            self._done += len(data)
            return False
        if self._done != self.bytes:
            raise OSError(0, "the file became shorter while it was read")
        return True

    def finish(self) -> tuple[int, str]:
        """The sealed memory file (now the caller's) and the sha256 of what is in it."""
        memory_file.seal_for_good(self._target)
        os.close(self._source)  # last: what cannot be sealed is abandoned, which closes both
        return self._target, self._hash.hexdigest()

    def abandon(self) -> None:
        """Free everything."""
        os.close(self._source)
        if self._target >= 0:
            memory_file.close(self._target)
