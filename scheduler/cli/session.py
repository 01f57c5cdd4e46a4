"""`session`: a relay of roles that becomes one video."""

from __future__ import annotations

import contextlib
import getpass
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from scheduler.cli.exits import ExitCode
from scheduler.cli.follow import POLL_S, follow
from scheduler.cli.output import AsJson, note, print_json, print_table, say
from scheduler.cli.place import DEFAULT_DATA, DataDir, bad_usage, door, facts, job_of
from scheduler.cli.wishes import JobId
from scheduler.core.job import FINAL_STATES, JobState
from scheduler.joining import allowed_s
from scheduler.store import Reader
from scheduler.store.joined_reads import JOINING_NOW, MAX_TRIES
from scheduler.store.reads import Row

JOINED_WITHIN_S = 600.0  # for other sessions before it and the pause before a second try, beside what the joining itself may take
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

    With --output: exit 0 when the video is there, 1 when a part failed, the parts could not be joined or the file not written.
    """
    shared = {
        "user": getpass.getuser() if user is None else user, "priority": priority, "preset": preset, "fill": fill,
    }  # fmt: skip
    if output is not None:
        _refuse_folder(output)
    given = {name: value for name, value in shared.items() if value is not None}
    answer = door(data).submit_session([{**given, **_part(text)} for text in parts], idempotency_key)
    if not as_json:
        for text, one in zip(parts, answer["parts"], strict=True):
            for warning in one["warnings"]:
                note(f"{text}: {warning}")
        say(f"session {answer['id']}")
        pairs = zip(parts, answer["parts"], strict=True)
        print_table(["part", "job", "state"], [(text, one["id"], one["state"]) for text, one in pairs])
    elif output is None:
        print_json(answer)
    if output is not None:
        raise typer.Exit(_wait(data, [str(one["id"]) for one in answer["parts"]], output, as_json=as_json))


def _refuse_folder(output: Path) -> None:
    if output.is_dir():
        raise bad_usage(f"--output: {output} is a folder.", field="output", hint="Name a file.")


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
    if output is not None:
        _refuse_folder(output)
    with facts(data) as reader:
        job_of(reader, job)
        rows = reader.session_of(job)
        found, is_off = reader.joined(rows[-1]["id"]), _is_off(reader)
    if len(rows) < 2:
        raise bad_usage(f"{job} is no part of a session.", field="JOB", hint="role_scheduler session start makes one.")
    if not as_json:
        starts = {part["job"]: f"{part['start_s']:g} s" for part in found["parts"]} if found else {}
        cells = [(row["role"], row["id"], row["state"], f"{row['blocks_done']}/{row['total_blocks']}", starts.get(row["id"]))
                 for row in rows]  # fmt: skip
        print_table(["role", "job", "state", "blocks", "begins at"], cells)
        say(_sentence(data, rows, found, is_off=is_off))
    code = ExitCode.OK if output is None else _copied(data, found, output, as_json=as_json)
    if as_json:
        print_json({"id": rows[0]["id"], "parts": rows, "joined": found})
    raise typer.Exit(code)


def _is_off(reader: Reader) -> bool:
    """Does this house join no sessions?"""
    fact = reader.fact(JOINING_NOW)
    return fact is not None and not fact["is_on"]


def _sentence(data: Path, rows: Sequence[Row], found: Row | None, *, is_off: bool) -> str:
    if found is not None and found["state"] == "joined":
        how = "as they are" if found["is_copied"] else "encoded again, as they differ"
        return f"one video of {found['seconds']:g} s ({how}): {data / found['path']}"
    if found is not None:
        again = "it is tried once more" if found["tries"] < MAX_TRIES else "it is not tried again"
        return f"not one video: {found['message']} ({again})"
    broken = next((row for row in rows if row["state"] in FINAL_STATES and row["state"] != JobState.SUCCEEDED), None)
    if broken is not None:
        return f"{broken['id']} ended as {broken['state']}: there will be no video of all parts"
    return "no video of all parts: the scripted engine makes no real videos" if is_off else "not one video yet"


def _wait(data: Path, ids: list[str], output: Path, *, as_json: bool) -> ExitCode:
    rows = follow(data, ids, as_json=as_json)
    found = None
    if all(row["state"] == JobState.SUCCEEDED for row in rows):
        found = _last_word(data, ids[-1], JOINED_WITHIN_S + MAX_TRIES * allowed_s(rows))
    with facts(data) as reader:
        is_off = _is_off(reader)
    code = ExitCode.FAILED
    if found is not None and found["state"] == "joined":
        code = _copied(data, found, output, as_json=as_json)
    else:
        note(_sentence(data, rows, found, is_off=is_off))
    if as_json:
        with facts(data) as reader:
            print_json({"id": ids[0], "parts": reader.session_of(ids[0]), "joined": found})
    return code


def _last_word(data: Path, last_job: str, within_s: float) -> Row | None:
    """The session's video, or why there will be none; None where nobody joins it, or not within this time."""
    until = time.monotonic() + within_s
    with facts(data) as reader:
        while True:
            found = reader.joined(last_job)
            if found is not None and (found["state"] == "joined" or found["tries"] >= MAX_TRIES):
                return found
            if _is_off(reader) or time.monotonic() > until:
                return found
            time.sleep(POLL_S)


def _copied(data: Path, found: Row | None, output: Path, *, as_json: bool) -> ExitCode:
    if found is None or found["state"] != "joined":
        if as_json:
            note("There is no video of all parts.")
        return ExitCode.FAILED
    video = data / found["path"]
    if not video.is_file():
        note(f"{video} is not there any more.")
        return ExitCode.FAILED
    part = output.with_name(f"{output.name}.part")  # what lies there already stays until the new one is whole
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(video, part)
        part.replace(output)
    except OSError as error:
        note(f"{output} cannot be written: {error.strerror or error}. The video stays at {video}.")
        return ExitCode.FAILED
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    if not as_json:
        say(f"{output}: {found['frames']} frames, {found['seconds']:g} s")
    return ExitCode.OK
