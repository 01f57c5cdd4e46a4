"""`session`: a relay of roles that becomes one video."""

from __future__ import annotations

import getpass
import shutil
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from scheduler.cli.exits import ExitCode
from scheduler.cli.follow import POLL_S, follow
from scheduler.cli.output import AsJson, note, print_json, print_table, say
from scheduler.cli.place import DEFAULT_DATA, DataDir, bad_usage, door, facts, job_of
from scheduler.cli.wishes import JobId
from scheduler.core.job import FINAL_STATES, JobState
from scheduler.store.joined_reads import MAX_TRIES
from scheduler.store.reads import Row

JOINED_WITHIN_S = 600.0  # of the last part's end; parts of several sizes are encoded again
app = typer.Typer(help="A relay of roles that becomes one video.", no_args_is_help=True)


@app.command()
def start(
    parts: Annotated[
        list[str], typer.Argument(metavar="ROLE[:SECONDS]…", help="Parts in order, such as teacher:15 assistant:8 companion:12.")
    ],
    user: Annotated[str | None, typer.Option("--user", help="For whom; without it your login name.")] = None,
    priority: Annotated[
        int | None, typer.Option("--priority", help="0 to 100, of every part; without it each role's own.")
    ] = None,
    preset: Annotated[str | None, typer.Option("--preset", help="Of every part.")] = None,
    fill: Annotated[
        str | None, typer.Option("--fill", help="loop or pad: for parts that are longer than their voice.")
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option("--idempotency-key", help="The same key with the same parts gives the same jobs back.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Wait until all parts are one video, and put it here.")
    ] = None,
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Submit a session, all of its parts or none. Each begins where the one before it ends, on the same slot.

    With --output: exit 0 when the video is there, 1 when a part failed or the parts could not be joined.
    """
    shared = {
        "user": getpass.getuser() if user is None else user, "priority": priority, "preset": preset, "fill": fill,
    }  # fmt: skip
    if output is not None and output.is_dir():
        raise bad_usage(f"--output: {output} is a folder.", field="output", hint="Name a file.")
    given = {name: value for name, value in shared.items() if value is not None}
    answer = door(data).submit_session([{**given, **_part(text)} for text in parts], idempotency_key)
    if output is None:
        if as_json:
            print_json(answer)
            return
        for one in answer["parts"]:
            for warning in one.get("warnings", ()):
                note(warning)
        say(f"session {answer['id']}")
        print_table(["part", "job", "state"], [(parts[i], one["id"], one["state"]) for i, one in enumerate(answer["parts"])])
        return
    raise typer.Exit(_wait(data, [str(one["id"]) for one in answer["parts"]], output, as_json=as_json))


def _part(text: str) -> dict[str, Any]:
    role, colon, seconds = text.partition(":")
    if not colon:
        return {"role": role}
    try:
        return {"role": role, "duration_sec": float(seconds)}
    except ValueError as error:
        raise bad_usage(
            f"{text!r} is no part: {seconds!r} is no number of seconds.", field="parts", hint="Write ROLE or ROLE:SECONDS."
        ) from error


@app.command()
def show(
    job: JobId,
    output: Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Put the video of all parts here.")] = None,
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Show the session that a job is a part of, and where its video lies. Exit 1 where --output finds none."""
    with facts(data) as reader:
        job_of(reader, job)
        rows = reader.session_of(job)
        found = reader.joined(rows[-1]["id"])
    if len(rows) < 2:
        raise bad_usage(f"{job} is no part of a session.", field="JOB", hint="role_scheduler session start makes one.")
    if as_json:
        print_json({"id": rows[0]["id"], "parts": rows, "joined": found})
    else:
        starts = {part["job"]: f"{part['start_s']:g} s" for part in found["parts"]} if found else {}
        cells = [(row["role"], row["id"], row["state"], f"{row['blocks_done']}/{row['total_blocks']}", starts.get(row["id"]))
                 for row in rows]  # fmt: skip
        print_table(["role", "job", "state", "blocks", "begins at"], cells)
        say(_sentence(data, rows, found))
    if output is not None:
        raise typer.Exit(_copied(data, found, output, as_json=as_json))


def _sentence(data: Path, rows: list[Row], found: Row | None) -> str:
    if found is not None and found["state"] == "joined":
        how = "as they are" if found["is_copied"] else "encoded again, as they differ"
        return f"one video of {found['seconds']:g} s ({how}): {data / found['path']}"
    if found is not None:
        return f"not one video: {found['message']}"
    broken = [row for row in rows if row["state"] in FINAL_STATES and row["state"] != JobState.SUCCEEDED]
    if broken:
        return f"{broken[0]['id']} ended as {broken[0]['state']}: there will be no video of all parts"
    return "not one video yet"


def _wait(data: Path, ids: list[str], output: Path, *, as_json: bool) -> ExitCode:
    rows = follow(data, ids, as_json=as_json)
    if any(row["state"] != JobState.SUCCEEDED for row in rows):
        note(_sentence(data, rows, None))
        return ExitCode.FAILED
    until = time.monotonic() + JOINED_WITHIN_S
    with facts(data) as reader:
        while True:
            found = reader.joined(ids[-1])
            if found is not None and (found["state"] == "joined" or found["tries"] >= MAX_TRIES):
                return _copied(data, found, output, as_json=as_json)
            if time.monotonic() > until:
                note(f"Not joined within {JOINED_WITHIN_S:g} s; role_scheduler session show {ids[0]} says more later.")
                return ExitCode.FAILED
            time.sleep(POLL_S)


def _copied(data: Path, found: Row | None, output: Path, *, as_json: bool) -> ExitCode:
    if found is None or found["state"] != "joined":
        note("There is no video of all parts yet." if found is None else f"The parts were not joined: {found['message']}")
        return ExitCode.FAILED
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(data / found["path"], output)
    except OSError as error:
        note(f"{output} cannot be written: {error.strerror}. The video stays at {data / found['path']}.")
        return ExitCode.FAILED
    if as_json:
        print_json({**found, "output": str(output)})
    else:
        say(f"{output}: {found['frames']} frames, {found['seconds']:g} s")
    return ExitCode.OK
