"""`batch`: a folder or file of JSON profiles becomes videos, named after the profiles."""

from __future__ import annotations

import getpass
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from scheduler.batch_file import MAX_ITEMS, Profile, read_profiles
from scheduler.canonical import canonical_json
from scheduler.cli.exits import ExitCode
from scheduler.cli.follow import follow
from scheduler.cli.output import AsJson, note, print_json, print_table, say
from scheduler.cli.place import DEFAULT_DATA, DataDir, bad_usage, door, facts
from scheduler.client import DaemonUnreachable, Scheduler
from scheduler.core.job import JobState
from scheduler.errors import SchedulerError

ENDINGS = (".json", ".jsonl")
MAX_FILE_BYTES = 1 << 20
_SHOWN = ("code", "message", "field", "hint")


@dataclass
class Line:
    """A profile on its way: what is asked for, and why not, or the job."""

    profile: Profile
    request: dict[str, Any]
    error: dict[str, Any] | None
    found: dict[str, Any] | None = None  # what it would become
    job: dict[str, Any] | None = None
    is_repeat: bool = False
    video: str | None = None


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(name="batch")(batch)


def batch(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Folders or files of JSON profiles (.json, .jsonl).")],
    output: Annotated[
        Path | None, typer.Option("--output", metavar="DIR", help="Wait, and put each video and its log here, under its name.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Submit nothing: what would each become?")] = False,
    all_or_nothing: Annotated[bool, typer.Option("--all-or-nothing", help="One refusal refuses all.")] = False,
    key: Annotated[
        str | None, typer.Option("--key", help="Of the batch: the same key again doubles nothing. Without it a new one.")
    ] = None,
    user: Annotated[str | None, typer.Option("--user", help="For whom, unless a profile says; else your login name.")] = None,
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Many videos at once from JSON profiles, each with a role and, if wanted, name, context, image, audio, duration_sec …

    Exit 0: all are taken (with --output: made); 10: some were refused; 11: none was taken; 1: one that was waited for failed.
    """
    studio = door(data)
    lines = _read(paths, getpass.getuser() if user is None else user)
    _bring(studio, lines)
    _look(studio, lines)
    chosen = key or f"cli-{secrets.token_hex(6)}"
    if not check:
        _submit(studio, lines, chosen, all_or_nothing)
    _show(lines, chosen, is_check=check, as_json=as_json and output is None)
    code = _verdict(lines, is_check=check)
    if output is not None and not check:
        code = _wait(data, lines, output, code, as_json=as_json)
        if as_json:
            _show(lines, chosen, is_check=False, as_json=True)
    raise typer.Exit(code)


def _read(paths: list[Path], user: str) -> list[Line]:
    lines = []
    for path in _files(paths):
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise bad_usage(f"{path} is larger than 1 MiB.", field="PATH", hint="Divide it.")
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise bad_usage(f"{path} cannot be read: {error}.", field="PATH") from error
        lines += [Line(profile, {"user": user, **profile.request}, profile.error) for profile in read_profiles(text, str(path))]
    if len(lines) > MAX_ITEMS:
        raise bad_usage(f"A batch has at most {MAX_ITEMS} items, not {len(lines)}.", field="PATH", hint="Divide it into several.")
    return lines


def _files(paths: list[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        inside = sorted(one for one in path.iterdir() if one.suffix in ENDINGS) if path.is_dir() else [path]
        if not inside:
            raise bad_usage(f"There is no {' or '.join(ENDINGS)} in {path}.", field="PATH")
        found += inside
    return found


def _bring(studio: Scheduler, lines: list[Line]) -> None:
    """The profiles' own pictures and sounds, looked up beside them; the same file once."""
    brought: dict[tuple[str, Path], str | dict[str, Any]] = {}
    for line in lines:
        for kind, name in line.profile.files.items():
            path = (Path(line.profile.source).parent / name).resolve()
            if (kind, path) not in brought:
                try:
                    brought[kind, path] = str(studio.bring_file(kind, path)["sha256"])
                except DaemonUnreachable:
                    raise
                except SchedulerError as error:
                    brought[kind, path] = {name: value for name, value in error.to_json().items() if name in _SHOWN}
            answer = brought[kind, path]
            if isinstance(answer, str):
                line.request[kind] = answer
            else:
                line.error = line.error or answer


def _look(studio: Scheduler, lines: list[Line]) -> None:
    good = [line for line in lines if line.error is None]
    if not good:
        return
    answer = studio.check_batch([{"name": line.profile.name, "request": line.request} for line in good])
    for line, found in zip(good, answer["items"], strict=True):
        line.found, line.error = found, found["error"]


def _submit(studio: Scheduler, lines: list[Line], key: str, is_all: bool) -> None:
    good = [line for line in lines if line.error is None]
    if not good or (is_all and len(good) < len(lines)):
        note("Nothing was submitted.")
        return
    try:
        items = [{"name": line.profile.name, "request": line.request} for line in good]
        answer = studio.submit_batch(items, key, is_all_or_nothing=is_all)
    except DaemonUnreachable:
        note(f"Nothing is lost and nothing is doubled: run it again with --key {key}")
        raise
    except SchedulerError as error:
        if error.code != "batch_refused":
            raise
        for line, refused in zip(good, error.data["items"], strict=True):
            line.error = refused["error"]
        return
    for line, item in zip(good, answer["items"], strict=True):
        line.job, line.error, line.is_repeat = item["job"], item["error"], item["is_repeat"]


def _verdict(lines: list[Line], *, is_check: bool) -> ExitCode:
    taken = sum(1 for line in lines if line.error is None and (is_check or line.job is not None))
    if taken == len(lines):
        return ExitCode.OK
    return ExitCode.FITS_DEGRADED if taken else ExitCode.DOES_NOT_FIT


def _show(lines: list[Line], key: str, *, is_check: bool, as_json: bool) -> None:
    rows = [_row(line) for line in lines]
    if as_json:
        print_json({"key": None if is_check else key, "items": rows})
        return
    columns = ("source", "number", "name", "role", "seconds", "compute_s", "outcome")
    print_table(columns, [[row[name] for name in columns] for row in rows])
    if not is_check and any(line.job for line in lines):
        say(f"key {key}: the same files again with --key {key} double nothing")


def _row(line: Line) -> dict[str, Any]:
    found, error = line.found or {}, line.error
    job = None if line.job is None else line.job["id"]
    taken = "good" if line.job is None else f"{job} {line.job['state']}{' (before)' if line.is_repeat else ''}"
    return {
        "source": line.profile.source, "number": line.profile.number, "name": line.profile.name, "role": line.request.get("role"),
        "prompt": found.get("prompt"), "seconds": found.get("seconds"), "blocks": found.get("blocks"),
        "compute_s": found.get("compute_s"), "job": job, "video": line.video, "error": error,
        "outcome": taken if error is None else f"refused: {error['message']} {error['hint']}".strip(),
    }  # fmt: skip


def _wait(data: Path, lines: list[Line], output: Path, code: ExitCode, *, as_json: bool) -> ExitCode:
    """Until all have ended; videos and logs under the profiles' names, with the job's id behind one that is taken already."""
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise bad_usage(f"{output} cannot be made: {error.strerror}.", field="output") from error
    taken = [line for line in lines if line.job is not None and line.error is None]
    rows = {row["id"]: row for row in follow(data, [str(line.job["id"]) for line in taken if line.job], as_json=as_json)}
    with facts(data) as reader:
        for line in taken:
            assert line.job is not None
            row = rows[line.job["id"]]
            line.job = {**line.job, "state": row["state"]}
            story = "".join(canonical_json(dict(entry)) + "\n" for entry in reader.story(f"job:{row['id']}"))
            base = _free(output, line.profile.name, row["id"])
            base.with_name(base.name + ".log").write_text(story, encoding="utf-8")
            if row["state"] == JobState.SUCCEEDED:
                line.video = str(_copied(data / row["video_path"], base.with_name(base.name + ".mp4")))
                say(line.video) if not as_json else None
                continue
            note(f"{line.profile.name} ended as {row['state']}: {row['error_message'] or 'no reason was given'}")
            code = ExitCode.FAILED
    return code


def _free(output: Path, name: str, job_id: str) -> Path:
    is_taken = any((output / f"{name}{ending}").exists() for ending in (".mp4", ".log"))
    return output / (f"{name}-{job_id}" if is_taken else name)


def _copied(source: Path, target: Path) -> Path:
    part = target.with_name(f"{target.name}.part")
    shutil.copyfile(source, part)
    return part.replace(target)
