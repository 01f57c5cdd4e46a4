"""Running one of the engine's programs and following what it says."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Sequence
from typing import IO

from scheduler.cli.exits import ExitCode


def follow(command: Sequence[str], words: IO[str], take: Callable[[str], object]) -> int:
    """Hand every line of the child's output on; its exit code. What it says on standard error goes to `words`.

    On Ctrl-C it is told too, and waited for: it tidies up.
    """
    with subprocess.Popen(list(command), stdout=subprocess.PIPE, stderr=words, text=True) as child:
        assert child.stdout is not None
        try:
            for line in child.stdout:
                take(line.rstrip("\n"))
        except KeyboardInterrupt:
            child.send_signal(signal.SIGINT)
            child.wait()
            return ExitCode.INTERRUPTED
        return child.wait()
