"""The client over HTTP, where the other end breaks off."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from scheduler.client import DaemonUnreachable, Scheduler, SchedulerError


@contextmanager
def answering(said: bytes) -> Iterator[str]:
    """The address of a server that hears one request, says this and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(said)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            thread.join()


@pytest.mark.parametrize("said", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"id\":"])
def test_answer_that_breaks_off_counts_as_an_unreachable_daemon(said: bytes) -> None:
    with answering(said) as address, pytest.raises(DaemonUnreachable):
        Scheduler(address).status()


def test_error_that_breaks_off_keeps_its_status() -> None:
    with answering(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 100\r\n\r\n<html>") as address:
        with pytest.raises(SchedulerError) as caught:
            Scheduler(address).status()
        assert (caught.value.status, caught.value.code) == (502, "http_error")


@pytest.mark.parametrize(("key", "advice"), [("k1", "try again"), (None, "role_scheduler jobs")])
def test_silence_is_told_from_absence_and_says_whether_asking_again_is_safe(key: str | None, advice: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(DaemonUnreachable, match=r"no answer in 0\.2 s") as caught:
            Scheduler(address, patience_s=0.2).submit({"user": "a", "role": "b"}, idempotency_key=key)
    assert "hangs" in caught.value.hint and advice in caught.value.hint
