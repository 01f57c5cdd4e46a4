"""The key that signs session cookies: made once, kept in the data directory, readable by its owner only."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

KEY_BYTES = 32


def load_secret_key(data_dir: Path) -> bytes:
    """The key of this data directory, made on the first call (mode 0600). Raises OSError when it cannot be kept."""
    path = data_dir / "web.key"
    data_dir.mkdir(parents=True, exist_ok=True)
    part = data_dir / f"web.key.{os.getpid()}.part"
    if not path.exists():
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, secrets.token_bytes(KEY_BYTES))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        try:
            os.link(part, path)  # unlike a rename it never replaces a key that another process has just made
        except FileExistsError:
            pass
        finally:
            part.unlink()
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise ValueError(f"{path} is damaged: remove it, everybody then signs in again")
    return key
