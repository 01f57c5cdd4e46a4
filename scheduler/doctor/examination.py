"""Every check in turn, in a process of its own, which is given up when a check hangs; the next goes on with the rest.

A thread would not do: one that waits in the kernel for a disk or a driver that is gone keeps its process from ending.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from scheduler.doctor.cards import card_findings, peer_findings
from scheduler.doctor.data_dir import file_system_findings, rights_findings, space_findings
from scheduler.doctor.disk_speed import speed_findings
from scheduler.doctor.finding import Finding, found
from scheduler.doctor.house import house_findings
from scheduler.doctor.leftovers import leftover_findings
from scheduler.doctor.limits import limit_findings, shared_memory_findings
from scheduler.doctor.model_files import model_findings
from scheduler.doctor.ports import group_port_findings, web_port_findings
from scheduler.doctor.subject import Subject
from scheduler.doctor.versions import torch_findings, version_findings
from scheduler.doctor.visible import driver_findings, visible_findings
from scheduler.doctor.wall_clock import clock_findings, zone_findings
from scheduler.plan.check import UNKNOWN
from scheduler.spawn import die_with, python_module

START_S = 30.0  # until the process of the checks says its first word
_END_S = 2.0  # a killed one that waits in the kernel may never end


@dataclass(frozen=True)
class Examination:
    """`look` says what it found; it is given up after `limit_s`. `on_disk`: it looks into the data directory; where one of
    those hung, the disk is taken for gone and the others are spared."""

    name: str
    look: Callable[[Subject], Iterable[Finding]]
    limit_s: float = 15.0
    on_disk: bool = False


EXAMINATIONS = (
    Examination("house", house_findings, on_disk=True),
    Examination("leftovers", leftover_findings, on_disk=True),
    Examination("data directory", rights_findings, on_disk=True),
    Examination("file system", file_system_findings, on_disk=True),
    Examination("free space", space_findings, on_disk=True),
    Examination("model files", model_findings, 120.0, on_disk=True),
    Examination("disk speed", speed_findings, 30.0, on_disk=True),
    Examination("web port", web_port_findings),
    Examination("group port", group_port_findings),
    Examination("shared memory", shared_memory_findings),
    Examination("limits", limit_findings),
    Examination("clock", clock_findings, on_disk=True),
    Examination("zone", zone_findings),
    Examination("versions", version_findings),
    Examination("driver", driver_findings),
    Examination("torch", torch_findings),
    Examination("visible GPUs", visible_findings),
    Examination("GPUs", card_findings, 30.0),
    Examination("peer access", peer_findings),
)
NAMES = tuple(one.name for one in EXAMINATIONS)


def examine(subject: Subject, names: Sequence[str] = NAMES, limit_s: float | None = None) -> Iterator[Finding]:
    """What each check finds, as it is found. `limit_s`: for every check, instead of its own."""
    left = [one for one in EXAMINATIONS if one.name in names]
    while left:
        done, is_late = yield from _examine(subject, left, limit_s)
        last, left = left[done - 1], left[done:]
        if is_late and last.on_disk:
            for one in left:
                if one.on_disk:
                    yield found(one.name, UNKNOWN, "check_spared", other=last.name)
            left = [one for one in left if not one.on_disk]


def _examine(subject: Subject, left: Sequence[Examination], limit_s: float | None) -> Generator[Finding, None, tuple[int, bool]]:
    """One process for as many as it can; returns how many of them are over, at least one, and did the last hang."""
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            python_module(
                "scheduler.doctor", "--data", str(subject.data_dir), "--model", subject.model, "--host", subject.host,
                "--port", str(subject.port), *(one.name for one in left),
            ),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, preexec_fn=functools.partial(die_with, os.getpid()),
        )  # fmt: skip
        assert child.stdout is not None
        done, limit = 0, START_S
        try:
            with child.stdout as pipe:
                lines = _Lines(pipe)
                while done < len(left):
                    event = lines.next(limit)
                    if event is None:
                        why = "check_hangs" if lines.is_late else "check_ended"
                        words = {"limit": f"{limit:g}", "why": _last_line(errors)}
                        yield found(left[done].name, UNKNOWN, why, {"limit_s": limit}, **words)
                        return done + 1, lines.is_late
                    if "finding" in event:
                        yield Finding(**event["finding"])
                    elif "done" in event:
                        done += 1
                    limit = left[min(done, len(left) - 1)].limit_s if limit_s is None else limit_s
        finally:
            child.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_END_S)
    return done, False


class _Lines:
    """JSON lines of a pipe, each waited for no longer than it is worth."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._descriptor, self._rest = pipe.fileno(), b""
        self.is_late = False

    def next(self, seconds: float) -> dict[str, Any] | None:
        """The next one; None when it does not come in time (`is_late`), or never."""
        until = time.monotonic() + seconds
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._descriptor], [], [], max(0.0, until - time.monotonic()))
            self.is_late = not ready
            heard = os.read(self._descriptor, 1 << 16) if ready else b""
            if not heard:
                return None
            self._rest += heard
        line, _, self._rest = self._rest.partition(b"\n")
        event: dict[str, Any] = json.loads(line)
        return event


def _last_line(errors: IO[bytes]) -> str:
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "without a word"
