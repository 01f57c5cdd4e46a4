"""The script of the scripted engine: times, and faults that happen a counted number of times, also across restarts."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import SettingsError

VARIABLE = "GREENROOM_FAKE_SCRIPT"
DEEDS = frozenset({
    "crash", "hang", "stop_heartbeat", "slow", "fail", "fail_retry", "wrong_lease", "garbage", "out_of_memory",
})  # fmt: skip
POINTS = ("step", "decode", "sink")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """`job`: "*", a job's id, or n for the n-th RunJob that any process of this script saw, from 1 on.

    `block`: its number, or "*". `at`: where in the block, "step" (the first), "decode" or "sink" (one block of a job
    has it). `above_steps`: only while the job is made with more steps than this, so that fewer steps cure it.
    """

    do: str
    job: str | int = "*"
    block: int | str = 0
    times: int = 1
    seconds: float | None = None
    at: str = "step"
    above_steps: int = 0

    def __post_init__(self) -> None:
        if self.do not in DEEDS:
            raise SettingsError(
                f"fault {self.do!r} is unknown.", field="do", hint=f"Use one of {', '.join(sorted(DEEDS))}."
            )
        if self.at not in POINTS:
            raise SettingsError(f"point {self.at!r} is unknown.", field="at", hint=f"Use one of {', '.join(POINTS)}.")


@dataclass(frozen=True, kw_only=True)
class Script:
    """Seconds that a block, the warm-up and a role take, what goes wrong, and what it says of its rings (`WorkerReady.kv`)."""

    block_s: float = 0.05
    warm_s: float = 0.0
    prepare_s: float = 0.0
    kv: str | None = None
    crash_at_start: int = 0  # so many processes end before they have said hello
    faults: tuple[Fault, ...] = field(default=())

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Script:
        """Raises SettingsError for anything that is not a script."""
        try:
            return cls(**{**data, "faults": tuple(Fault(**fault) for fault in data.get("faults", ()))})
        except (TypeError, AttributeError) as error:
            raise SettingsError(f"script: {error}", field=VARIABLE) from error


class ScriptRun:
    """A script with its counts, kept in a file beside it so that a restarted process goes on counting."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        try:
            self.script = Script() if path is None else Script.from_json(json.loads(path.read_bytes()))
        except (OSError, ValueError) as error:
            if isinstance(error, SettingsError):
                raise
            raise SettingsError(f"{path}: {error}", field=VARIABLE) from error
        self._runs = 0

    def count_run(self) -> None:
        """A RunJob was seen."""
        with _Counts(self._path) as counts:
            counts["runs"] = self._runs = counts.get("runs", 0) + 1

    def is_start_spoilt(self) -> bool:
        """Is this one of the processes that end at their start?"""
        with _Counts(self._path) as counts:
            starts = counts["starts"] = counts.get("starts", 0) + 1
        return starts <= self.script.crash_at_start

    def faults_at(self, job_id: str, block: int, at: str = "step", steps: int = 10**6) -> list[Fault]:
        """The faults that are due here; each one counts as done from now on, whatever it does."""
        due = []
        for number, fault in enumerate(self.script.faults):
            if fault.block not in ("*", block) or fault.job not in ("*", job_id, self._runs):
                continue
            if fault.at != at or steps <= fault.above_steps:
                continue
            with _Counts(self._path) as counts:
                done = counts.get(f"fault {number}", 0)
                if done < fault.times:
                    counts[f"fault {number}"] = done + 1
                    due.append(fault)
        return due


class _Counts:
    """The counts, locked against other processes of the same script; nothing is kept without a path."""

    def __init__(self, script: Path | None) -> None:
        self._path = None if script is None else script.with_name(script.name + ".counts")
        self._file = -1

    def __enter__(self) -> dict[str, int]:
        self._counts: dict[str, int] = {}
        if self._path is not None:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self._counts = json.loads(os.read(self._file, 1 << 20) or b"{}")
        return self._counts

    def __exit__(self, *_: object) -> None:
        if self._path is not None:
            data = json.dumps(self._counts).encode()
            os.pwrite(self._file, data, 0)
            os.ftruncate(self._file, len(data))
            os.close(self._file)
