"""The vault's socket file."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def listen(path: Path) -> socket.socket:
    """A listening socket at `path`, for its owner only (0600).

    A stale file is replaced; raises OSError, EADDRINUSE when somebody listens there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        if path.is_socket() and not _has_listener(path):
            path.unlink()
        listener.bind(str(path))
        listener.listen(64)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(mask)
    return listener


def _has_listener(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True  # somebody is there and does not answer in time
        return True
