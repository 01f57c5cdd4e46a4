"""A house of its own for a run: own data directory, port and processes, which all carry the run's mark."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from scheduler.client import Scheduler
from scheduler.core.policy import Policy
from scheduler.crash_points import ORDERS_VARIABLE, TAKEN
from scheduler.errors import SchedulerError
from scheduler.policy_file import POLICY_NAME
from scheduler.spawn import ProcessList, die_with
from scheduler.store import Reader, open_reader

MARK = "GREENROOM_CHAOS"
ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
READY_S = 120.0
_UP = "Greenroom is at"  # what a launcher says last when it has started everything
BLOCK_S = 0.06  # of the scripted engine
T = TypeVar("T")
# Rules that end a job or a slot after so many crashes would end everything here: crashes are the point.
_PATIENT = {
    "max_crashes": 10**6, "max_strikes": 10**6, "max_retries": 10**6, "retry_backoff_s": 0.05, "retry_backoff_max_s": 0.5,
    "quarantine_s": 0.1, "max_preemptions": 10**6, "max_queued": 10**6,
    "reservation_notice_s": 0.0,
}  # fmt: skip
_FAULTS = "faults:\n  crash_loop: {failures: 1000, first_s: 0.05, max_s: 0.4}\n"


class NotWithin(Exception):
    """Something did not come about in time. Its text says what, for the report."""


def until(look: Callable[[], T], what: str, timeout_s: float, every_s: float = 0.03) -> T:
    """Look until there is something true to see; NotWithin after the time. A daemon that is away is waited for."""
    deadline = time.monotonic() + timeout_s
    while True:
        with contextlib.suppress(SchedulerError):
            if seen := look():
                return seen
        if time.monotonic() > deadline:
            raise NotWithin(f"not within {timeout_s:.0f} s: {what}")
        time.sleep(every_s)


class ChaosHouse:
    """Start it, strike it, ask it, end it. Only from the main thread (its launcher dies with the thread that started it)."""

    def __init__(
        self, home: Path, engine: str, data_dir: Path | None = None, env: Mapping[str, str] | None = None,
        program: Sequence[str] = (sys.executable, "-m", "scheduler.cli", "serve", "--slots", "1"), port: int | None = None,
    ) -> None:  # fmt: skip
        """`home`: for logs, orders and script; the data lie below it unless `data_dir` says where. `program`: the launcher.
        `port`: of the web; without one some free port."""
        self._program = program
        self.home, self.engine = home, engine
        self.data_dir = data_dir or home / "var"
        self.orders = home / "orders"
        self.mark = str(home)
        self.launcher: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self.gave_up: list[str] = []  # launchers that ended though nobody killed them, and what they said last
        self._said_before = 0  # characters that earlier launchers said
        (self.orders / TAKEN).mkdir(parents=True, exist_ok=True)
        self.data_dir.mkdir(parents=True, exist_ok=True)
        shutil.copytree(EXAMPLES, home / "examples", dirs_exist_ok=True)
        self.roles = home / "examples" / "roles.yaml"  # a copy: a process that looks at these files is one of ours
        (home / "script.json").write_text(json.dumps({"block_s": BLOCK_S}), encoding="utf-8")
        self.port = port or free_ports(1)[0]
        self._log = home / "serve.log"
        self._env = {
            **os.environ, "OMP_NUM_THREADS": "1", "GREENROOM_FAKE_SCRIPT": str(home / "script.json"),
            ORDERS_VARIABLE: str(self.orders), MARK: self.mark,
            "PYTHONFAULTHANDLER": "1",  # SIGABRT makes each process write its stacks (scheduler.chaos.evidence)
            **({"GREENROOM_DEVICE": "cpu"} if engine == "fake" else {}),  # the scripted engine computes on nothing
            **(env or {}),
        }  # fmt: skip
        self._env.pop("PYTHONDONTWRITEBYTECODE", None)  # else each process that is started again compiles everything anew

    @property
    def url(self) -> str:
        """Address of the web."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        """What all launchers said."""
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    @property
    def door(self) -> Scheduler:
        """The daemon's door."""
        return Scheduler(self.data_dir).as_actor("local")

    @property
    def reader(self) -> Reader:
        """The store, read-only. SchedulerError while there is none."""
        return open_reader(self.data_dir)

    @property
    def processes(self) -> ProcessList:
        """Who was started."""
        return ProcessList(self.data_dir / "run")

    def be_patient(self, faults: Mapping[str, str] | None = None) -> None:
        """A policy under which crashes alone end no job. `faults`: further rules, as YAML values."""
        known = {item.name for item in fields(Policy)}
        text = "".join(f"{name}: {value}\n" for name, value in _PATIENT.items() if name in known)
        further = "".join(f"  {name}: {rule}\n" for name, rule in (faults or {}).items())
        (self.data_dir / POLICY_NAME).write_text(text + _FAULTS + further, encoding="utf-8")

    def start(self, *, is_awaited: bool = True) -> None:
        """Start the launcher. Raises NotWithin when it ends or no worker becomes ready."""
        command = [
            *self._program, "--data", str(self.data_dir), "--port", str(self.port),
            "--engine", self.engine, "--preload_roles", str(self.roles),
        ]  # fmt: skip
        self._said_before = len(self.said)
        with self._log.open("ab") as log:
            self.launcher = subprocess.Popen(
                command, cwd=ROOT, env=self._env, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                preexec_fn=functools.partial(die_with, os.getpid()), start_new_session=True,
            )  # fmt: skip
        self.starts += 1
        if is_awaited:
            until(self.is_ready, "a ready worker", READY_S)

    def is_ready(self) -> bool:
        """Everything is up and a worker can be given work. Raises NotWithin when the launcher has ended."""
        if self.launcher is not None and (code := self.launcher.poll()) is not None:
            raise NotWithin(f"the launcher ended with code {code}: {self.said[-500:]}")
        is_all_up = _UP in self.said[self._said_before :]
        return is_all_up and bool(self.status()["slots"][0]["worker"])

    def status(self) -> dict[str, Any]:
        """The daemon's status. Raises SchedulerError while it is away."""
        return self.door.status()

    def keep_up(self) -> bool:
        """Start the launcher again if it has ended; whether that was needed."""
        if self.launcher is None or (code := self.launcher.poll()) is None:
            return False
        if code != -signal.SIGKILL:
            self.gave_up.append(f"code {code}: {self.said[-300:].strip()}")
        self.start(is_awaited=False)
        return True

    def stop(self, timeout_s: float = 60.0) -> int:
        """End it as Ctrl-C does; the exit code. Raises NotWithin."""
        assert self.launcher is not None
        if self.launcher.poll() is None:
            self.launcher.send_signal(signal.SIGINT)
        return self.wait_for_end(timeout_s, "the launcher's end after Ctrl-C")

    def wait_for_end(self, timeout_s: float, what: str = "the launcher's end") -> int:
        """The code with which the launcher ends. Raises NotWithin."""
        assert self.launcher is not None
        try:
            return self.launcher.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise NotWithin(f"not within {timeout_s:.0f} s: {what}") from error

    def end(self) -> None:
        """Whatever happened: nothing of this house lives on."""
        if self.launcher is not None and self.launcher.poll() is None:
            self.launcher.send_signal(signal.SIGCONT)
            self.launcher.terminate()
            try:
                self.launcher.wait(30)
            except subprocess.TimeoutExpired:
                self.launcher.kill()
                self.wait_for_end(30, "the launcher's end after SIGKILL")
        self.processes.sweep()


def free_ports(count: int) -> list[int]:
    """So many different ports that nobody listens on just now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
