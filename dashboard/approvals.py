"""Previews and the jobs that wait for their approval, for pages: what is there, what it will cost, who may judge it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dashboard.principal import Principal
from dashboard.reads import Reads
from dashboard.reviews import verdict_of
from scheduler.core.block_times import BlockKey, BlockTimes
from scheduler.core.job import JobState

Row = dict[str, Any]


def waits_for(reads: Reads, job: Mapping[str, Any], principal: Principal) -> Row | None:
    """The preview of a job that was submitted with one; None for any other.

    id, state, `is_open` (nobody has said yet, and the job waits), `may_judge`, verdict, `gpu_s` of the job and `preview_gpu_s`.
    """
    cheap = reads.store.job(job["preview"]) if job["preview"] else None
    if cheap is None:
        return None
    times = BlockTimes(reads.store.block_times())
    return {
        "id": cheap["id"], "state": cheap["state"], "approved_at": job["approved_at"],
        "is_open": job["state"] == JobState.QUEUED and job["approved_at"] is None, "may_judge": principal.may_judge(cheap),
        "may_watch": principal.may_read_words(cheap), "is_own": principal.owns(cheap),
        "verdict": verdict_of(reads, cheap, principal),
        "gpu_s": gpu_seconds(times, job), "preview_gpu_s": gpu_seconds(times, cheap),
    }  # fmt: skip


def releases(reads: Reads, job_id: str) -> list[Row]:
    """The jobs whose preview this job is: id, state, `is_open`, predicted `gpu_s`."""
    rows = reads.store.runs_of_preview(job_id)
    times = BlockTimes(reads.store.block_times()) if rows else None
    return [
        {
            "id": row["id"], "state": row["state"], "is_open": row["state"] == JobState.QUEUED and row["approved_at"] is None,
            "gpu_s": None if times is None else gpu_seconds(times, row),
        }
        for row in rows
    ]  # fmt: skip


def gpu_seconds(times: BlockTimes, job: Mapping[str, Any]) -> float | None:
    """Seconds that all blocks of a job take on the slowest device on which such blocks were measured; None: on none."""
    recipe = job["recipe"] if isinstance(job["recipe"], dict) else json.loads(job["recipe"])
    size, steps = f"{job['width']}x{job['height']}", int(recipe["settings"].get("steps") or 0)
    devices = {key.device for key, _ in times.known() if key.model == recipe.get("model")}
    keys = (BlockKey(model=recipe["model"], size=size, steps=steps, device=device) for device in sorted(devices))
    found = [time.typical_s for key in keys if (time := times.predict(key)) is not None]
    return round(max(found) * job["total_blocks"], 1) if found else None
