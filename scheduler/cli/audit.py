"""`audit tail | verify | export`: the permanent record of who did what."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from scheduler.audit import AuditEntry
from scheduler.audit.entry import ACTOR_GROUP
from scheduler.audit.times import is_time
from scheduler.cli.output import AsJson, note, print_json, say
from scheduler.cli.place import DEFAULT_DATA, DataDir, bad_usage, door, facts
from scheduler.errors import SchedulerError
from scheduler.zone import moment_text

app = typer.Typer(help="The audit log: show, verify, export.", no_args_is_help=True)
POLL_S = 0.5
MAX_ROWS = 500


@app.command()
def tail(
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=MAX_ROWS, help="How many of the last rows.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new rows until Ctrl-C.")] = False,
    of: Annotated[str | None, typer.Option("--object", help="Only rows of one object, such as job:j0123.")] = None,
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Show the last rows, oldest first; with --json one object per line."""
    with facts(data) as reader:
        rows = reader.audit(object=of, limit=count)[::-1]
        if of is not None and not rows:
            note(f"No row is about {of!r} so far. Objects are written as kind:name, such as job:j0123.")
        seen = rows[-1]["seq"] if rows else reader.last_seq()
        while True:
            for row in rows:
                _show(row, as_json)
            if not follow:
                return
            time.sleep(POLL_S)
            rows = reader.audit(object=of, after_seq=seen, limit=MAX_ROWS)
            seen = rows[-1]["seq"] if rows else seen


def _show(row: AuditEntry, as_json: bool) -> None:
    if as_json:
        print_json(row)
        return
    plain = {name: value for name, value in row["body"].items() if not isinstance(value, dict | list)}
    plain.pop(ACTOR_GROUP, None)  # it stands beside the person
    detail = " ".join(f"{name}={_as_text(name, value)}" for name, value in plain.items())
    group = f" ({row['actor_group']})" if row["actor_group"] else ""
    who_did_what = f"{row['actor']}{group}  {row['action']}  {row['object']}  {row['outcome']}"
    say(f"{row['seq']:>6}  {moment_text(row['at_utc'], 'milliseconds')}  {who_did_what}  {detail}".rstrip())


def _as_text(name: str, value: object) -> object:
    """A point in time as one; anything else as it is."""
    return moment_text(float(str(value))) if is_time(name, value) else value


@app.command()
def verify(
    from_seq: Annotated[int | None, typer.Option("--from", help="Check the rows from this number on.")] = None,
    export_file: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="Check an exported JSONL file instead.")
    ] = None,
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Check every row's hash, the chain, and the head outside the database; exit 0, 20, 21 or 22."""
    from scheduler.audit import verify as check

    verdict = check(data, from_seq, export_file)
    if as_json:
        print_json(verdict.to_json())
    else:
        say(verdict.message)
        for warning in verdict.warnings:
            note(warning)
    raise typer.Exit(verdict.exit_code)


@app.command()
def export(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it; an existing file is replaced.")],
    format: Annotated[
        str, typer.Option("--format", help="jsonl (can be verified) or csv (for a spreadsheet).")
    ] = "jsonl",
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Write the whole log with its head to a file; the export itself is recorded in the log."""
    from scheduler.audit import export as write

    try:
        link = write(data, path, format)
    except OSError as error:
        raise bad_usage(f"{path} cannot be written: {error.strerror or error}.", field="path") from error
    is_recorded = _record(data, path, link.seq)
    if as_json:
        answer = {"path": str(path), "seq": link.seq, "hash": link.hash.hex(), "is_recorded": is_recorded}
        print_json(answer)
        return
    say(f"{path}: rows up to {link.seq}, head {link.hash.hex()}")


def _record(data: Path, path: Path, seq: int) -> bool:
    """Put the export on record; False, with a remark, when no daemon can write it down."""
    try:
        door(data).record("audit:exported", "audit", {"file": path.name, "up_to_seq": seq})
    except SchedulerError as error:
        note(f"The export was not recorded in the audit: {error.message}")
        return False
    return True
