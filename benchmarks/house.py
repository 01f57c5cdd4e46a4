"""A whole house for benchmarks: the real command with the scripted engine, in a temporary directory, gone afterwards."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scheduler.client import DaemonUnreachable, Scheduler

ROOT = Path(__file__).resolve().parents[1]
ROLES = ROOT / "examples" / "roles.yaml"


@dataclass(frozen=True)
class House:
    """Where it listens and where it keeps its data."""

    port: int
    data_dir: Path

    @property
    def url(self) -> str:
        """Address of the web."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running_house(block_s: float, timeout_s: float = 90.0) -> Iterator[House]:
    """Start everything, wait for a ready worker, end everything. Raises RuntimeError with the log when it does not start."""
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder:
        script = Path(folder) / "script.json"
        script.write_text(json.dumps({"block_s": block_s}), encoding="utf-8")
        house = House(_free_port(), Path(folder) / "var")
        log = Path(folder) / "serve.log"
        command = [
            sys.executable, "-m", "scheduler.cli", "serve", "--data", str(house.data_dir), "--port", str(house.port),
            "--engine", "fake", "--preload_roles", str(ROLES),
        ]  # fmt: skip
        environment = {**os.environ, "GREENROOM_FAKE_SCRIPT": str(script), "OMP_NUM_THREADS": "1"}
        with log.open("wb") as out:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        try:
            _wait_until_ready(house, process, log, time.monotonic() + timeout_s)
            yield house
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _wait_until_ready(house: House, process: subprocess.Popen[bytes], log: Path, deadline: float) -> None:
    door = Scheduler(house.data_dir)
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the house did not start:\n{log.read_text()}")
        try:
            if "Greenroom is at" in log.read_text() and door.status()["slots"][0]["worker"]:
                return
        except (DaemonUnreachable, IndexError, KeyError):
            pass  # not yet
        time.sleep(0.1)
