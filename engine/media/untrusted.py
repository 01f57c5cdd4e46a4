"""Opening files from people: regular files only, never a pipe or a device, never by a name inside another file."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import MediaError
from engine.regular_file import NoRegularFile, regular_descriptor


@contextmanager
def opened_file(path: Path, max_bytes: int) -> Iterator[tuple[io.BufferedReader, int]]:
    """The open file and its size. Raises MediaError: missing, no regular file, empty, larger than `max_bytes`."""
    try:
        descriptor = regular_descriptor(path)
    except NoRegularFile as error:
        hint = "Name a picture or a recording, no folder or device."
        raise MediaError(f"{path} is not a file.", hint=hint, problem="no_file") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the name is not possible"
        message = f"{path} cannot be opened: {reason}."
        raise MediaError(message, hint="Check the path and its rights.", problem="unreadable") from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if status.st_size == 0:
            raise MediaError(f"{path} is empty.", hint="Upload or export it again.", problem="empty")
        if status.st_size > max_bytes:
            raise MediaError(
                f"{path} has {status.st_size} bytes; at most {max_bytes} are read.", hint="Bring a smaller file.",
                problem="too_large", most_mib=max_bytes >> 20,
            )  # fmt: skip
        yield file, status.st_size
