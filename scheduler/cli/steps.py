"""Progress of a long command that counts its steps, on standard error."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from scheduler.cli.output import note

LINES = 20  # at most so many in a log, those that are always worth one apart


class Steps:
    """A bar for a person, a line now and then for a log."""

    def __init__(self, name: str, quiet_s: float = 0.0) -> None:
        """`name`: the command. `quiet_s`: a log has no two lines within so many seconds, and none before."""
        console = Console(stderr=True, highlight=False)
        self._name, self._quiet_s, self._told_at = name, quiet_s, time.monotonic()
        self._bar: Progress | None = None
        self._last = -1
        if console.is_terminal:
            columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
            self._bar = Progress(*columns, console=console)
            self._task = self._bar.add_task("starting", total=None)

    def __enter__(self) -> Steps:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: int, total: int, what: str, is_long: bool = False) -> None:
        """Steps done, of how many, and what comes now; `is_long`: worth a line in any log."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, description=what)
            return
        now, part = time.monotonic(), done * LINES // total
        if is_long or (part > self._last and now - self._told_at >= self._quiet_s):
            self._last, self._told_at = part, now
            note(f"{self._name}: {done} of {total}, {what}")
