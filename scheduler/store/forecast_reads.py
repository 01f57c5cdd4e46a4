"""Reading the past as forecasts and simulated runs need it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from scheduler.audit.entry import utc_text
from scheduler.store.reads import Reads, Row
from scheduler.store.sql import forecasts as sql


class ForecastReads(Reads):
    """History for traces and forecasts. Times in seconds since 1970."""

    def trace_jobs(self, since: float, until: float) -> Iterator[Row]:
        """Accepted jobs in order: id, user, team, role, priority, submitted_at, total_blocks, recipe (JSON text), width, height,
        deadline and start_at (None: none), follows ("": nothing), is_unapproved, block_s.

        `block_s`: seconds of computing per block, on average; None before the first. `is_unapproved`: 1 where nobody has approved
        its preview.
        """
        return self._each(sql.SELECT_TRACE_JOBS, (since, until))

    def trace_faults(self, since: float, until: float) -> Iterator[Row]:
        """Losses and returns of slots' workers in order: at, slot, is_lost."""
        for row in self._each(sql.SELECT_TRACE_FAULTS, (utc_text(since), utc_text(until))):
            yield {
                "at": seconds_of(row["at_utc"]), "slot": int(row["object"].partition(":")[2]),
                "is_lost": row["action"] == "worker:lost",
            }  # fmt: skip

    def trace_pauses(self, since: float) -> Iterator[Row]:
        """Pauses of jobs and of the queue, and their ends, in order: at, event (as a trace calls it), job_id ("": the queue)."""
        for row in self._each(sql.SELECT_TRACE_PAUSES, (utc_text(since),)):
            kind, _, name = row["object"].partition(":")
            job_id, event = name if kind == "job" else "", row["action"].replace(":", "_")
            yield {"at": seconds_of(row["at_utc"]), "event": event, "job_id": job_id}

    def forecast_outcomes(self, since: float) -> list[Row]:
        """First forecasts made since then of jobs that are over: the forecast's columns, state, started_at, finished_at."""
        return self._rows(sql.SELECT_OUTCOMES, (since,))

    def open_forecasts(self) -> list[Row]:
        """First forecasts of jobs that are not over: job_id, at, basis."""
        return self._rows(sql.SELECT_OPEN_FORECASTS)

    def forecast_jobs(self, job_ids: Iterable[str]) -> set[str]:
        """Those of the jobs of which a forecast is kept."""
        return {row["job_id"] for row in self._each(sql.SELECT_FORECAST_JOBS, (json.dumps(sorted(job_ids)),))}

    def first_forecast(self, job_id: str) -> Row | None:
        """What was told of a job first: the forecast's columns; None where nothing was kept."""
        return self._row(sql.SELECT_FIRST_FORECAST, (job_id,))

    def block_seconds(self, job_id: str, block: int) -> float:
        """Seconds that a block took; 0 for one that is not there."""
        return float(self._value(sql.SELECT_BLOCK_SECONDS, (job_id, block)) or 0.0)


def seconds_of(text: str) -> float:
    """Seconds since 1970 of the log's UTC text."""
    return datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC).timestamp()
