"""Progress of jobs: as `scheduler.show` does it for people, or one JSON object per change when asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from scheduler.cli.output import say
from scheduler.show import Show


class JsonLines(Show):
    """One JSON object per change; remarks are objects too."""

    def say(self, text: str) -> None:
        """A remark."""
        say(json.dumps({"message": text}, ensure_ascii=False))

    def update(self, job_id: str, label: str, done: int, total: int, state: str) -> None:
        """The job's progress, when it has changed."""
        if self._last.get(job_id) != (done, state):
            self._last[job_id] = (done, state)
            say(json.dumps({"id": job_id, "label": label, "state": state, "blocks_done": done, "total_blocks": total}))


@contextmanager
def progress_show(*, as_json: bool = False) -> Iterator[Show]:
    """The right way to show progress here."""
    if as_json:
        yield JsonLines()
    else:
        with Show() as show:
            yield show
