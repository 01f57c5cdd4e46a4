"""A whole studio in a temporary directory: the real launcher, vault, daemon, web and workers, started by the real command."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from scheduler.client import Scheduler
from scheduler.core.job import FINAL_STATES
from scheduler.spawn import ProcessList, ProcessRecord
from scheduler.store import Reader, open_reader

ROOT = Path(__file__).resolve().parents[2]
ROLES = ROOT / "examples" / "roles.yaml"
T = TypeVar("T")


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def until(look: Callable[[], T], what: str, timeout_s: float = 90.0) -> T:
    """Look until there is something true to see; fail with `what` after the time."""
    deadline = time.monotonic() + timeout_s
    while True:
        if seen := look():
            return seen
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(0.05)


class Studio:
    """Start it, break it, ask it, stop it, and check that nothing is left."""

    def __init__(self, home: Path, engine: str, env: dict[str, str] | None = None, slots: int = 1) -> None:
        self.data_dir = home / "var"
        self.slots = slots
        self.port = free_port()
        self._engine = engine
        self._env = {**os.environ, "OMP_NUM_THREADS": "1", **(env or {})}
        self._log = home / "serve.log"
        self.launcher: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address of the web."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        """What the launcher said to the person who started it."""
        return self._log.read_text()

    @property
    def door(self) -> Scheduler:
        """The daemon's door, as the tests' actor."""
        return Scheduler(self.data_dir).as_actor("local")

    @property
    def reader(self) -> Reader:
        """The store, read-only."""
        return open_reader(self.data_dir)

    def start(self) -> None:
        """Start the launcher and wait until each slot has a worker."""
        command = [
            sys.executable, "-m", "scheduler.cli", "serve", "--data", str(self.data_dir), "--port", str(self.port),
            "--engine", self._engine, "--preload_roles", str(ROLES), "--slots", str(self.slots),
        ]  # fmt: skip
        with self._log.open("wb") as log:
            self.launcher = subprocess.Popen(command, cwd=ROOT, env=self._env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait for the door and the workers; a launcher that ended is a failure with its words."""
        def is_ready() -> bool:
            assert self.launcher is not None
            assert self.launcher.poll() is None, self._log.read_text()
            if not (self.data_dir / "run" / "daemon.sock").exists():
                return False
            if not all(slot["worker"] for slot in self.door.status()["slots"]):
                return False
            return "Greenroom is at" in self._log.read_text()

        until(lambda: _quiet(is_ready), f"ready workers; {self._log}", 90.0 * self.slots)

    def http(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """(status, JSON answer) of a request to the web; `body` is JSON unless it is bytes."""
        payload = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path, data=payload, method=method, headers={"Content-Type": "application/json", **(headers or {})}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def slot(self, number: int = 0) -> dict[str, Any]:
        """A slot's status, the first one's."""
        return self.door.status()["slots"][number]

    def processes(self, kind: str | None = None) -> list[ProcessRecord]:
        """Living processes of the studio below the launcher."""
        return [p for p in ProcessList(self.data_dir / "run").alive() if kind in (None, p.kind)]

    def kill(self, kind: str) -> None:
        """SIGKILL the process of this kind that matters now: for "worker" the one that has the job."""
        if kind == "launcher":
            assert self.launcher is not None
            self.launcher.kill()
            self.launcher.wait()
            return
        pid = self.slot()["pid"] if kind == "worker" else self.processes(kind)[-1].pid
        os.kill(pid, signal.SIGKILL)

    def job(self, job_id: str) -> dict[str, Any]:
        """The job's row."""
        row = self.reader.job(job_id)
        assert row is not None
        return row

    def wait_for_blocks(self, job_id: str, count: int) -> None:
        """Until the job has made so many blocks (or has ended)."""
        until(lambda: self.job(job_id)["blocks_done"] >= count or self.job(job_id)["state"] in FINAL_STATES, f"{count} blocks")

    def wait_for_end(self, job_id: str, timeout_s: float = 120.0) -> dict[str, Any]:
        """Until the job has ended."""
        until(lambda: self.job(job_id)["state"] in FINAL_STATES, f"the end of {job_id}", timeout_s)
        return self.job(job_id)

    def hashes(self, job_id: str) -> list[tuple[int, str, str]]:
        """(block, latents, frames) hashes of the job's blocks."""
        return [(row["block"], row["latents_sha256"], row["frames_sha256"]) for row in self.reader.blocks(job_id)]

    def stop(self) -> int:
        """SIGTERM the launcher as a person's Ctrl-C would, and wait."""
        assert self.launcher is not None
        if self.launcher.poll() is None:
            self.launcher.send_signal(signal.SIGINT)
        code = self.launcher.wait(90)
        assert self.processes() == [], "processes were left behind"
        assert not (self.data_dir / "run" / "daemon.sock").exists()
        return code

    def end(self) -> None:
        """Whatever happened: nothing of this studio may outlive its test."""
        if self.launcher is not None and self.launcher.poll() is None:
            self.launcher.terminate()
            try:
                self.launcher.wait(20)
            except subprocess.TimeoutExpired:
                self.launcher.kill()
                self.launcher.wait()
        ProcessList(self.data_dir / "run").sweep()


def _quiet(look: Callable[[], bool]) -> bool:
    """False while the daemon is not there."""
    from scheduler.client import DaemonUnreachable

    try:
        return look()
    except DaemonUnreachable:
        return False
