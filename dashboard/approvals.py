"""Previews and the jobs that wait for their approval, for pages: what is there, what it will cost, who may judge it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dashboard.principal import Principal
from dashboard.reads import Reads
from dashboard.reviews import verdict_of
from scheduler.core.block_times import BlockTimes, Pace
from scheduler.core.job import JobState

Row = dict[str, Any]


def waits_for(reads: Reads, job: Mapping[str, Any], principal: Principal) -> Row | None:
    """The preview of a job that was submitted with one; None for any other.

    id, state, `is_open` (nobody has said yet, and the job waits), `may_judge`, verdict, `gpu_s` of the job and `preview_gpu_s`.
    """
    cheap = reads.store.job(job["preview"]) if job["preview"] else None
    if cheap is None:
        return None
    pace = _pace(reads)
    return {
        "id": cheap["id"], "state": cheap["state"], "approved_at": job["approved_at"],
        "is_open": job["state"] == JobState.QUEUED and job["approved_at"] is None, "may_judge": principal.may_judge(cheap),
        "may_watch": principal.may_read_words(cheap), "is_own": principal.owns(cheap),
        "verdict": verdict_of(reads, cheap, principal),
        "gpu_s": _gpu_s(pace, job), "preview_gpu_s": _gpu_s(pace, cheap),
    }  # fmt: skip


def releases(reads: Reads, job_id: str) -> list[Row]:
    """The jobs whose preview this job is: id, state, `is_open`, predicted `gpu_s`."""
    rows = reads.store.runs_of_preview(job_id)
    pace = _pace(reads) if rows else None
    return [
        {
            "id": row["id"], "state": row["state"], "is_open": row["state"] == JobState.QUEUED and row["approved_at"] is None,
            "gpu_s": None if pace is None else _gpu_s(pace, row),
        }
        for row in rows
    ]  # fmt: skip


def _pace(reads: Reads) -> Pace:
    return Pace(BlockTimes(reads.store.block_times()), reads.store.devices())


def _gpu_s(pace: Pace, job: Mapping[str, Any]) -> float | None:
    recipe = job["recipe"] if isinstance(job["recipe"], dict) else json.loads(job["recipe"])
    return pace.gpu_seconds(recipe, job["width"], job["height"], job["total_blocks"])
