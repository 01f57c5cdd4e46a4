"""The waiting line as the feed keeps it: read once, then only the jobs that the log names.

To read thousands of queued jobs anew each second keeps the interpreter busy for tens of milliseconds, which every request then
has to share. No fact that the order depends on changes without a row in the log (`scheduler.store.job_writes.move_job`), so
what the log does not name is as it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dashboard.reads import Reads
from scheduler.core.job import Job, JobState
from scheduler.store.views import ViewReader

_JOB = "job:"


class KeptLine:
    """All queued jobs. Used by one thread."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._store: ViewReader | None = None  # the one that the jobs were read from
        self._jobs: dict[str, Job] = {}
        self._named: set[str] = set()  # by the log, and not read since

    def note(self, rows: Iterable[dict[str, Any]]) -> None:
        """Rows of the log: the jobs that they name are read when the order is asked for next. None may be left out."""
        self._named.update(row["object"].removeprefix(_JOB) for row in rows if row["object"].startswith(_JOB))

    def ordered(self) -> list[Job]:
        """All queued jobs, best first. Raises SchedulerError; what was noted is read the next time then."""
        store = self._reads.store
        if store is not self._store:  # the first time, or the daemon made a new one
            self._jobs = {job.id: job for job in store.waiting_jobs()}
            self._store = store
        elif self._named:
            found = {job.id: job for job in store.jobs_as_core(self._named)}
            for job_id in self._named:
                if job_id in found and found[job_id].state is JobState.QUEUED:
                    self._jobs[job_id] = found[job_id]
                else:
                    self._jobs.pop(job_id, None)
        self._named.clear()
        return self._reads.in_order(self._jobs.values())
