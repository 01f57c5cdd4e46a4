"""Portraits whose file was read and found to be the one that a recipe names: it is not read again while it is the same file."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from pathlib import Path

import numpy as np

from engine.errors import MediaError
from engine.media.probe import read_portrait

MAX_KNOWN = 256
BRING_AGAIN = (
    "Bring the whole file again: a role's with `role_scheduler roles load` and its roles.yaml, one's own with a new submission."
)


class Portraits:
    """Sizes by file; a prepared role needs no more of its portrait than that."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[object, ...], tuple[int, int]] = OrderedDict()

    def size(self, path: Path, sha256: str) -> tuple[int, int]:
        """(width, height) of the picture, which is the recipe's. Raises MediaError."""
        try:
            now = path.stat()
        except OSError as error:
            raise MediaError(f"the portrait {path} cannot be read: {error.strerror}.", hint=BRING_AGAIN) from error
        key = str(path), sha256, now.st_ino, now.st_size, now.st_mtime_ns
        if key not in self._known:
            height, width, _ = self.picture(path, sha256).shape
            self._known[key] = width, height
            if len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        return self._known[key]

    def picture(self, path: Path, sha256: str) -> np.ndarray:
        """The picture, uint8 [height, width, 3]. Raises MediaError, also when the file is not the recipe's."""
        expect_file(path, sha256, "portrait")
        return read_portrait(path)


def expect_file(path: Path, sha256: str, what: str) -> None:
    """Raises MediaError when the file is not the one that the recipe names: the output could not be made again."""
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise MediaError(f"the {what} {path} cannot be read: {error.strerror}.", hint=BRING_AGAIN) from error
    if found != sha256:
        message = f"the {what} {path} is damaged or not the one of the recipe: expected sha256 {sha256}, found {found}."
        raise MediaError(message, hint=BRING_AGAIN)
