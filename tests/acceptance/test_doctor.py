"""The doctor beside a real house: while it runs, after all of it was killed, and after it was started and stopped again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from tests.acceptance.studio import ROOT, Studio, until


def visit(studio: Studio) -> dict[str, dict[str, Any]]:
    """Findings by name."""
    command = [
        sys.executable, "-m", "scheduler.cli", "doctor", "--data", str(studio.data_dir), "--port", str(studio.port), "--json",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    report = json.loads(done.stdout)
    assert done.returncode == report["exit_code"] and not done.stderr, done.stderr
    return {check["name"]: check for check in report["checks"]}


def test_doctor_knows_a_running_house_a_killed_one_and_one_at_rest(make_studio: Callable[..., Studio]) -> None:
    studio = make_studio()
    port = f"port {studio.port}"
    assert studio.launcher is not None

    told = visit(studio)
    assert told["house"]["data"] == {"pid": studio.launcher.pid, "url": studio.url, "state": "running"}
    assert told[port]["state"] == told["leftovers"]["state"] == "ok" and told[port]["data"]["pids"]

    studio.launcher.send_signal(signal.SIGSTOP)  # it puts nothing in the place of what is killed
    for one in studio.processes():
        with contextlib.suppress(ProcessLookupError):  # a worker goes with its daemon
            os.kill(one.pid, signal.SIGKILL)
    studio.kill("launcher")
    until(lambda: not studio.processes(), "the end of everything")
    told = visit(studio)
    assert (told["house"]["data"]["state"], told[port]["state"]) == ("at rest", "ok")
    assert "daemon.sock" in told["leftovers sockets"]["data"]["sockets"]
    assert told["leftovers address"]["data"] == {"url": studio.url}

    studio.start()
    assert studio.stop() == 0
    told = visit(studio)
    assert (told["house"]["data"]["state"], told["leftovers"]["text"]) == ("at rest", "none")
