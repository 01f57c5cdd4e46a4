"""gunicorn settings (`-c python:dashboard.serving`): one process with threads that never outlives its parent."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import socket
import struct
import sys
from typing import Any

from gunicorn import util

workers = 1
threads = 600  # one open tab holds one for as long as it is open; pages keep what the limits in settings.py leave
worker_class = "gthread"
graceful_timeout = 3
control_socket_disable = True
loglevel = "warning"
# A peer that takes nothing, or sends nothing, for so long loses its connection and gives its thread back. Longer than a
# live page is silent: the socket library pings every 25 s and gives up after 20 s more.
SEND_LIMIT_S, RECEIVE_LIMIT_S = 20, 60
# A thread that computes gives way after so long. A request waits for others' bytes some four times, and each time it would
# stand behind the feed for 5 ms, Python's own figure.
GIVE_WAY_S = 0.0005


def limit_silence(listener: socket.socket) -> None:
    """Connections accepted from this listener inherit its time limits."""
    for option, seconds in ((socket.SO_SNDTIMEO, SEND_LIMIT_S), (socket.SO_RCVTIMEO, RECEIVE_LIMIT_S)):
        listener.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", seconds, 0))


def when_ready(server: Any) -> None:
    """Before the worker starts."""
    for listener in server.LISTENERS:
        limit_silence(listener.sock)


def post_fork(server: Any, worker: Any) -> None:
    """In the new worker: die when gunicorn's first process dies, whatever killed it."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != server.pid:
        os._exit(1)
    util.close_graceful = close_without_waiting
    sys.setswitchinterval(GIVE_WAY_S)


def post_worker_init(worker: Any) -> None:
    """The app is loaded: what was imported is not searched for garbage again and again (a look at all of it takes 60 ms)."""
    gc.collect()
    gc.freeze()


def close_without_waiting(sock: socket.socket, timeout: float = 0.0, max_drain: int = 65536) -> None:
    """Say goodbye, throw away what has come already, close. Stands in for gunicorn's own, which waits up to two seconds for
    the peer to close first, in the one thread that takes new requests: whoever asked to close and stayed held up everybody.
    """
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
        sock.setblocking(False)
        drained = 0
        while drained < max_drain and (data := sock.recv(4096)):  # BlockingIOError, an OSError, ends it
            drained += len(data)
    with contextlib.suppress(OSError):
        sock.close()
