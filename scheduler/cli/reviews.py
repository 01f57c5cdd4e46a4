"""`note`, `approve`, `reject`: what one has to say about a video; and a preview made again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scheduler.cli.output import AsJson, print_json, say
from scheduler.cli.place import DEFAULT_DATA, DataDir, door, facts, job_of
from scheduler.cli.wishes import JobId
from scheduler.core.job import JobState


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (note, approve, reject, preview_again):
        app.command(name=command.__name__.replace("_", "-"))(command)


def note(
    job: JobId,
    text: Annotated[str, typer.Argument(help="What to say, at most 1000 characters.")],
    video_s: Annotated[
        float | None, typer.Option("--at", help="About this moment, in seconds of the video; without it about all of it.")
    ] = None,
    answers: Annotated[int | None, typer.Option("--answers", help="Number of the note that this one answers.")] = None,
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Write a note on a video, finished or growing; `jobs JOB` lists them."""
    answer = door(data).write_note(job, text, video_s, answers)
    if as_json:
        print_json(answer)
    else:
        say(f"{job}: note {answer['number']} is written")


def approve(
    job: JobId,
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Approve a finished video; jobs that wait for this preview then stand in line.

    A job that waits may be named itself: its preview is meant, or, if there is no video of that one, the job goes on without.
    """
    _judge(data, job, "approved", reason, as_json)


def reject(
    job: JobId,
    reason: Annotated[str, typer.Option("--reason", help="What should be different.")],
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Reject a finished video; whoever ordered it reads the reason. Jobs that wait for this preview are cancelled."""
    _judge(data, job, "rejected", reason, as_json)


def preview_again(job: JobId, data: DataDir = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Make the preview of a waiting job again, where the first failed or was cancelled; the job then waits for the new one."""
    answer = door(data).renew_preview(job)
    if as_json:
        print_json(answer)
    else:
        say(f"{job} waits for its preview {answer['preview']['id']}  {answer['preview']['state']}")


def _judge(data: Path, job: str, verdict: str, reason: str, as_json: bool) -> None:
    """The verdict takes the place of the one that stands now."""
    with facts(data) as reader:
        row = job_of(reader, job)
        is_meant = row["preview"] and row["approved_at"] is None and row["preview_end"] == JobState.SUCCEEDED
        before = reader.verdict(row["preview"] if is_meant and row["state"] == JobState.QUEUED else job)
    answer = door(data).judge(job, verdict, reason, before["number"] if before is not None else 0)
    if as_json:
        print_json(answer)
    else:
        say(f"{answer['job_id']}: {verdict}")
        for waiting in answer["waiting"]:
            say(f"{waiting['id']}  {waiting['state']}")
