"""Progress in bytes: a bar with speed and time left where somebody looks, a line per stage elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


class ByteBars:
    """One bar for all stages; its text is the stage. On standard error, so that the answer stays alone."""

    def __init__(self, *, quiet: bool = False) -> None:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._is_quiet, self._last, self._task = quiet, "", TaskID(0)
        self._bars: Progress | None = None
        if console.is_terminal and not quiet:
            self._bars = Progress(
                TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
                TimeRemainingColumn(), console=console, transient=True,
            )  # fmt: skip
            self._task = self._bars.add_task("", total=None)

    def __enter__(self) -> ByteBars:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def update(self, what: str, done: int, total: int) -> None:
        """So many bytes of all stages together are done, and this is the stage."""
        if self._bars is not None:
            self._bars.update(self._task, description=what, completed=done, total=total)
        elif what != self._last and not self._is_quiet:
            print(f"{what}: {done / 1e9:.2f} of {total / 1e9:.2f} GB", file=sys.stderr, flush=True)
        self._last = what
