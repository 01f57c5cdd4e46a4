"""Following jobs to their end by reading the store; the daemon is not asked, so it may restart meanwhile."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from scheduler.cli.exits import ExitCode
from scheduler.cli.output import note, print_json, say
from scheduler.cli.place import facts, job_of
from scheduler.cli.show import progress_show
from scheduler.cli.waiting import with_hold
from scheduler.core.job import FINAL_STATES, JobState

POLL_S = 0.2


def follow(data: Path, job_ids: list[str], *, as_json: bool = False) -> list[dict[str, Any]]:
    """Show the jobs' progress until all have ended; returns their last rows. Raises a refusal for an unknown job."""
    with facts(data) as reader, progress_show(as_json=as_json) as show:
        while True:
            rows = [with_hold(reader, job_of(reader, job_id)) for job_id in job_ids]
            for row in rows:
                show.update(row["id"], row["role"], row["blocks_done"], row["total_blocks"], state_text(row))
            if all(row["state"] in FINAL_STATES for row in rows):
                return rows
            time.sleep(POLL_S)


def wait_for(data: Path, job_id: str, *, as_json: bool) -> ExitCode:
    """Follow one job, say how it ended; OK when it succeeded, FAILED otherwise."""
    row = follow(data, [job_id], as_json=as_json)[0]
    is_good = row["state"] == JobState.SUCCEEDED
    video = str(data / row["video_path"]) if row["video_path"] else None
    if as_json:
        names = ("id", "state", "frames", "video_sha256", "error_code", "error_message", "error_hint")
        print_json({**{name: row[name] for name in names}, "video": video})
    elif is_good:
        say(f"{job_id}: {row['frames']} frames, {video}")
    else:
        note(f"{job_id} ended as {row['state']}: {row['error_message'] or 'no reason was given'}")
        if row["error_hint"]:
            note(row["error_hint"])
    return ExitCode.OK if is_good else ExitCode.FAILED


def state_text(row: dict[str, Any]) -> str:
    """The state, with the hold reason where the job waits: `QUEUED (paused)`."""
    hold = f" ({row['hold'].replace('_', ' ')})" if row["hold"] else ""
    return f"{row['state']}{hold}"
