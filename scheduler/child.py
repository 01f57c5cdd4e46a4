"""A child of the launcher: how to start it, how to know that it lives, how often it failed."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from scheduler.child_watch import StoppedLook, Watch
from scheduler.core.healing_policy import Fault
from scheduler.spare import Spare

FIRST_BACKOFF_S = 0.1
MAX_BACKOFF_S = 10.0
START_PATIENCE_S = 30.0  # for a start that is not over; twice as long after each that failed: a large store may need it
MAX_START_PATIENCE_S = 480.0
MAX_KILLED_BACKOFF_S = 0.4  # after a SIGKILL from outside: it may be as well as ever


@dataclass
class Child:
    """One kind of child: how to start it, how to know that it is up, and how often it failed."""

    kind: str
    argv: list[str]
    is_up: Callable[[], bool]
    stale: Path | None = None  # what a dead one leaves behind
    env: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    restart_at: float | None = None
    log_start: int = 0  # bytes of its log that others wrote before it
    last_trouble: str = ""  # a start that the machine refused, said once
    watch: Watch | None = None  # its sign of life; None: the daemon looks after it
    fault: Fault = Fault.VAULT_LOST  # what its loss is called
    stopped: StoppedLook = field(default_factory=StoppedLook)
    fds: tuple[int, ...] = ()  # descriptors that it inherits beside the lifeline
    heal: ChildHealing | None = None  # it was lost and is not back yet
    spare: Spare | None = None  # takes its place without a start

    @property
    def backoff_s(self) -> float:
        """Wait before the next start."""
        return min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(self.failures - 1, 20)) if self.failures else 0.0

    @property
    def start_patience_s(self) -> float:
        """How long a start may take before the child is replaced."""
        return float(min(MAX_START_PATIENCE_S, START_PATIENCE_S * 2 ** min(self.failures, 20)))

    def wait_after_s(self, code: int) -> float:
        """Wait before the start that follows this exit code: none where it was well and somebody else killed it."""
        if code != -signal.SIGKILL:
            return self.backoff_s
        was_well = self.watch is not None and self.watch.heard_at is not None
        return 0.0 if was_well else min(self.backoff_s, MAX_KILLED_BACKOFF_S)


@dataclass
class ChildHealing:
    """A loss of a child that is being healed. Monotonic seconds."""

    fault: Fault
    cause: str
    detected_at: float
    silent_s: float = 0.0
    acted_at: float = 0.0
