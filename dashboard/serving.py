"""gunicorn settings (`-c python:dashboard.serving`): one process with threads that never outlives its parent."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import Any

workers = 1
threads = 200  # one open tab holds one thread for as long as it is open
worker_class = "gthread"
graceful_timeout = 3
control_socket_disable = True
loglevel = "warning"


def post_fork(server: Any, worker: Any) -> None:
    """In the new worker: die when gunicorn's first process dies, whatever killed it."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != server.pid:
        os._exit(1)
