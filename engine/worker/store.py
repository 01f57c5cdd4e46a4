"""Where weights, contexts and conditions come from: the vault (`VaultClient`), or this process alone (`PlainStore`)."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from engine.errors import WeightsError
from engine.model.hashes import FileHashes
from engine.protocol import Welcome


class Store(Protocol):
    """What a worker needs of the vault; see `engine.vault.client.VaultClient`."""

    def open_hashed_file(self, path: str, sha256: str | None = None) -> tuple[memoryview, str]:
        """A model file, read-only, and the sha256 of its content, which was compared with the demanded one."""

    def open_context(self, job_id: str, size: int, layout_sha256: str) -> tuple[mmap.mmap, bool]:
        """A job's context and whether it was there."""

    def release_context(self, job_id: str) -> None:
        """Hold it no longer."""

    def release_dropped_contexts(self) -> None:
        """Hold no longer what nobody wants any more."""

    def put_image(self, key: str, image: bytes) -> None:
        """Keep prepared conditions."""

    def get_image(self, key: str) -> memoryview | None:
        """Prepared conditions."""

    def mend(self) -> bool:
        """Look after the connection."""


OpenStore = Callable[[Welcome], Store]


class PlainStore:
    """No vault: files are mapped by this process, contexts and conditions end with it."""

    def __init__(self, hashes: FileHashes | None = None) -> None:
        self._hashes = hashes or FileHashes()

    def open_hashed_file(self, path: str, sha256: str | None = None) -> tuple[memoryview, str]:
        """Map a model file; raises WeightsError when it is missing or not the demanded one."""
        try:
            with Path(path).open("rb") as file:
                found = self._hashes.of(Path(path))
                if sha256 is not None and found != sha256:
                    raise WeightsError(
                        f"{path} is damaged or another file: expected sha256 {sha256}, found {found}.",
                        hint="Fetch the file again or correct its hash in the manifest.",
                    )
                return memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)), found
        except (OSError, ValueError) as error:
            raise WeightsError(f"{path} cannot be read: {error}.") from error

    def open_context(self, job_id: str, size: int, layout_sha256: str) -> tuple[mmap.mmap, bool]:
        """Anonymous memory; never there before."""
        return mmap.mmap(-1, size), False

    def release_context(self, job_id: str) -> None:
        """The memory goes with its last view."""

    def release_dropped_contexts(self) -> None:
        """There are none."""

    def put_image(self, key: str, image: bytes) -> None:
        """Conditions live in the worker's own memory only."""

    def get_image(self, key: str) -> memoryview | None:
        """Never there."""
        return None

    def mend(self) -> bool:
        """Nothing can break."""
        return True
