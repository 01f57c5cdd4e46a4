"""`again`: make a job's video once more from its recipe, and compare the frames block by block."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from scheduler.audit import AuditEntry
from scheduler.cli.exits import ExitCode
from scheduler.cli.follow import follow
from scheduler.cli.output import AsJson, note, print_json, say
from scheduler.cli.place import DEFAULT_DATA, DataDir, door, facts, job_of
from scheduler.core.counted import counted
from scheduler.core.job import JobState
from scheduler.core.tags import Tag
from scheduler.errors import SchedulerError


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(name="again")(again)


def again(
    job: Annotated[str, typer.Argument(metavar="JOB", help="A job that succeeded.")],
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Make a video again from its recipe; exit 0 when every frame is equal, 1 when one differs."""
    with facts(data) as reader:
        first = job_of(reader, job)
    if first["state"] != JobState.SUCCEEDED:
        raise SchedulerError(
            409, "not_succeeded", f"{job} is {first['state']}: only a finished video can be compared.", field="job"
        )
    second_id = str(door(data).again(job)["id"])
    if not as_json:
        say(f"{second_id} makes {job} again")
    second = follow(data, [second_id], as_json=False)[0] if not as_json else _wait_silently(data, second_id)
    if second["state"] != JobState.SUCCEEDED:
        note(f"{second_id} ended as {second['state']}: {second['error_message'] or 'no reason was given'}")
        raise typer.Exit(ExitCode.FAILED)
    report = compare(data, job, second_id)
    report["rebuilt"] = rebuilt(data, [job, second_id])
    if as_json:
        print_json(report)
    else:
        _say_report(report)
    raise typer.Exit(ExitCode.OK if report["is_equal"] else ExitCode.FAILED)


def _wait_silently(data: Path, job_id: str) -> dict[str, Any]:
    final = {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.REJECTED}
    with facts(data) as reader:
        while (row := job_of(reader, job_id))["state"] not in final:
            time.sleep(0.2)
        return row


def compare(data: Path, first: str, second: str) -> dict[str, Any]:
    """Hashes of both jobs, block by block: `{"is_equal", "blocks", "different", …}`; a missing block differs."""
    with facts(data) as reader:
        pairs = [{row["block"]: row for row in reader.blocks(job_id)} for job_id in (first, second)]
    numbers = sorted(pairs[0].keys() | pairs[1].keys())
    different = [
        {
            "block": number,
            "frames": _hash(pairs[0], number, "frames_sha256") == _hash(pairs[1], number, "frames_sha256"),
            "latents": _hash(pairs[0], number, "latents_sha256") == _hash(pairs[1], number, "latents_sha256"),
        }
        for number in numbers
        if number not in pairs[0]
        or number not in pairs[1]
        or any(pairs[0][number][name] != pairs[1][number][name] for name in ("frames_sha256", "latents_sha256"))
    ]
    is_equal = bool(numbers) and not different
    return {"job": first, "again": second, "is_equal": is_equal, "blocks": len(numbers), "different": different}


def rebuilt(data: Path, job_ids: list[str]) -> list[str]:
    """Those of the jobs whose context was rebuilt on the way (resume *continuous*): their bits are their own."""
    with facts(data) as reader:
        return [
            job_id
            for job_id in job_ids
            if any(_is_rebuild(row) for row in reader.story(job_id))
        ]


def _is_rebuild(row: AuditEntry) -> bool:
    return row["action"] == Tag.JOB_STARTED and row["body"].get("resume") == "continuous"


def _hash(blocks: dict[int, dict[str, Any]], number: int, name: str) -> str | None:
    row = blocks.get(number)
    return None if row is None else str(row[name])


def _say_report(report: dict[str, Any]) -> None:
    if report["is_equal"]:
        say(f"equal: {counted(report['blocks'], 'block')}, every latent and every frame")
        return
    say(f"differs: {len(report['different'])} of {counted(report['blocks'], 'block')}")
    for job_id in report["rebuilt"]:
        say(f"{job_id} lost its context and went on from its durable blocks: smoothly, but not with the same bits.")
    for block in report["different"]:
        what = [name for name in ("latents", "frames") if not block[name]]
        say(f"  block {block['block']}: {' and '.join(what) or 'only one of the two has it'}")
