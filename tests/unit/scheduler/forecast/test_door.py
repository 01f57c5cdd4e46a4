"""Who waits how long for the forecaster: a page glances, somebody at the command line waits for it."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

from scheduler.door import LENGTH, forecaster_path, frame_length, pack
from scheduler.forecasts import GLANCE_S, READER_S, Forecasts

KNOWN = {"estimate": None, "estimate_state": "few_runs"}


def test_slow_forecaster_is_nobody_to_a_page_and_answers_who_waits(tmp_path: Path) -> None:
    path, may_answer = forecaster_path(tmp_path), threading.Event()
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.bind(str(path))
        door.listen()

        def serve() -> None:
            """The first who asks is never answered, the second one when the test says so."""
            first, _ = door.accept()
            second, _ = door.accept()
            with first, second:
                second.recv(frame_length(second.recv(LENGTH.size)))
                assert may_answer.wait(12 * READER_S)
                second.sendall(pack({"ok": True, "result": {"at": 100.0, "jobs": {"j1": KNOWN}}}))

        thread = threading.Thread(target=serve)
        thread.start()
        forecasts = Forecasts(tmp_path, lambda: 101.0)
        assert forecasts.everybody() == {}
        threading.Timer(2 * GLANCE_S, may_answer.set).start()
        told = forecasts.everybody(12 * READER_S)
        assert told == {"j1": KNOWN}
        assert told.of("j2")["estimate_state"] == "pending", "it was submitted since"
        thread.join()
