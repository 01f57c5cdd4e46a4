"""Progress of several jobs on a terminal: bars where somebody looks, plain lines where a log is kept."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from scheduler.core.counted import counted


class Show:
    """A line of text at any time, and one bar per job. Use as a context manager. Threads may call it."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._last: dict[str, tuple[int, str]] = {}
        if self._console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.description:<18}"), BarColumn(), MofNCompleteColumn(), TextColumn("blocks"),
                TimeElapsedColumn(), TextColumn("{task.fields[state]}"), console=self._console,
            )  # fmt: skip

    def __enter__(self) -> Show:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def say(self, text: str) -> None:
        """A line of text; links stay whole."""
        self._console.print(text, markup=False)

    def update(self, job_id: str, label: str, done: int, total: int, state: str) -> None:
        """A job's progress: its bar, or a line when something changed."""
        if self._last.get(job_id) == (done, state):
            return
        self._last[job_id] = (done, state)
        if self._bars is None:
            self.say(f"{label}: {done} of {counted(total, 'block')}, {state.lower()}")
            return
        if job_id not in self._tasks:
            self._tasks[job_id] = self._bars.add_task(label, total=total, state=state)
        self._bars.update(self._tasks[job_id], completed=done, state=state.lower())
