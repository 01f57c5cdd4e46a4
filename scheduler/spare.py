"""A spare: the program of a child, started beforehand, with everything imported; it has touched nothing and waits for its turn.

Importing is most of what a start costs. So a child that is killed is not started anew: its spare gets a word and goes on, and
a new spare is made behind it. Both ends are here.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable

from scheduler.child_watch import is_stopped

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0


class Spare:
    """The launcher's end: has one where it can, and gives it the word."""

    def __init__(self, spawn: Callable[[int], subprocess.Popen[bytes]], say: Callable[[str], None]) -> None:
        """`spawn`: starts the program, which waits at this descriptor; OSError where the machine refuses."""
        self._spawn, self._say = spawn, say
        self.process: subprocess.Popen[bytes] | None = None
        self._word = -1
        self._failures, self._next_at, self._trouble = 0, 0.0, ""

    def keep(self, now: float) -> None:
        """Make one if there is none. Call often, while the child itself is well."""
        if self.process is not None:
            if self.process.poll() is None:
                return
            self._drop()
            self._wait(now)
        if now < self._next_at:
            return
        read, self._word = os.pipe()
        try:
            self.process = self._spawn(read)
            self._trouble = ""
        except OSError as error:
            self._drop()
            self._wait(now)
            if self._trouble != str(error):
                self._trouble = str(error)
                self._say(f"no spare: {error}; trying again until there can be one")
        finally:
            os.close(read)

    def take(self) -> subprocess.Popen[bytes] | None:
        """The spare, which goes on from now; None where there is none that could."""
        process = self.process
        if process is None or process.poll() is not None:
            return None
        if is_stopped(process.pid):
            process.send_signal(signal.SIGKILL)
            process.wait()
            return None
        try:
            os.write(self._word, b"!")
        except BrokenPipeError:  # it dies at this moment
            return None
        self._drop()
        self._failures, self._next_at = 0, 0.0
        return process

    def end(self) -> None:
        """Nobody needs it any more."""
        if self.process is not None:
            self.process.kill()  # it has begun nothing
            self.process.wait()
            self._drop()

    def _drop(self) -> None:
        os.close(self._word)
        self.process, self._word = None, -1

    def _wait(self, now: float) -> None:
        self._failures += 1
        self._next_at = now + min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._failures - 1, 20))


def await_turn(descriptor: int) -> None:
    """The spare's end: returns when it is its turn. SystemExit when nobody can give it the word any more."""
    word = os.read(descriptor, 1)
    os.close(descriptor)
    if not word:
        raise SystemExit(0)
