"""`jobs` and `watch`: what was asked for and how far it is."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from scheduler.cli.follow import state_text, wait_for
from scheduler.cli.forecast import told_text
from scheduler.cli.output import AsJson, bytes_text, print_fields, print_json, print_table, say
from scheduler.cli.place import DEFAULT_DATA, DataDir, facts, house_time, job_of
from scheduler.cli.waiting import show_why, why_of, with_hold
from scheduler.core.counted import counted
from scheduler.core.job import FINAL_STATES
from scheduler.forecasts import OVER, READER_S, Forecasts
from scheduler.zone import moment_text

_TIMES = (
    "submitted_at", "not_before", "start_at", "deadline", "offered_at", "approved_at", "leased_at", "lease_until", "freed_at",
    "started_at", "finished_at",
)  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(name="jobs")(jobs)
    app.command(name="watch")(watch)


def jobs(
    job: Annotated[
        str | None, typer.Argument(metavar="[JOB]", help="One job: all that is known of it, and its story.")
    ] = None,
    user: Annotated[str | None, typer.Option("--user", help="Only this person's.")] = None,
    role: Annotated[str | None, typer.Option("--role", help="Only this role's.")] = None,
    state: Annotated[str | None, typer.Option("--state", help="A state, or open, or final.")] = None,
    verdict: Annotated[
        str | None, typer.Option("--verdict", help="approved, rejected, or unjudged: finished, and nobody has said.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="How many at most, newest first.")] = 20,
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first, or show one of them."""
    with facts(data) as reader:
        if job is not None:
            row = job_of(reader, job)
            said = {"quality": reader.quality(job), "judged": reader.verdict(job), "notes": reader.notes(job)}
            now = house_time(data)
            told = {**with_hold(reader, row), **why_of(reader, row, now)}
            is_over = row["state"] in FINAL_STATES
            told |= OVER if is_over else Forecasts(data, lambda: now).everybody(READER_S).of(job)
            _show_job(told, said, [dict(entry) for entry in reader.story(job)], now, as_json)
            return
        page = reader.jobs(user=user, role=role, state=state, verdict=verdict, per_page=limit)
        rows = [with_hold(reader, row) for row in page.rows]
        places = {job_id: place for job_id, (place, _) in reader.places(house_time(data)).items()}
    if as_json:
        print_json({"jobs": [{**_plain(row), "place": places.get(row["id"])} for row in rows], "total": page.total})
        return
    columns = ("job", "state", "verdict", "place", "role", "user", "priority", "blocks", "submitted")
    print_table(columns, [_cells(row, places.get(row["id"])) for row in rows])
    if page.total > len(page.rows):
        say(f"{len(page.rows)} of {counted(page.total, 'job')}")


def _cells(row: dict[str, Any], place: int | None) -> tuple[object, ...]:
    blocks = f"{row['blocks_done']}/{row['total_blocks']}"
    return (
        row["id"],
        state_text(row),
        row["verdict"],
        place,
        row["role"],
        row["user"],
        row["priority"],
        blocks,
        _time(row["submitted_at"]),
    )


def _time(at: float | None) -> str | None:
    return None if at is None else moment_text(at)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its JSON columns as data."""
    detail = json.loads(row["hold_detail"]) if row["hold_detail"] else None
    return {**row, "recipe": json.loads(row["recipe"]), "hold_detail": detail}


def _show_job(row: dict[str, Any], said: dict[str, Any], story: list[dict[str, Any]], now: float, as_json: bool) -> None:
    plain = _plain(row)
    if as_json:
        print_json({**plain, **said, "story": story})
        return
    recipe, why, place = plain.pop("recipe"), plain.pop("why"), plain.pop("place")
    expected: dict[str, Any] = {name: plain.pop(name) for name in ("estimate", "estimate_state")}
    if place is not None:
        plain["place"] = f"{place['place']} of {place['of']}"
    shown = {name: value for name, value in plain.items() if value not in (None, "", False, 0)}
    for name in _TIMES:
        if name in shown:
            shown[name] = _time(shown[name])
    if "video_bytes" in shown:
        shown["video_bytes"] = bytes_text(shown["video_bytes"])
    told = {"quality": _without(said["quality"], "job_id", "at"), "judged": _without(said["judged"], "job_id", "judged_at")}
    told = {name: value for name, value in told.items() if value}
    print_fields({**shown, **told, "prompt": recipe["prompt"], "settings": recipe["settings"]})
    show_why(why)
    if expected != OVER:
        say(f"expected: {told_text(expected, now)}")
    if said["notes"]:
        say("notes:")
    for one in said["notes"]:
        moment = "answer to" if one["answers"] else "all" if one["video_s"] is None else f"{one['video_s']:.1f} s"
        say(f"  {one['id']:>4}  {moment} {one['answers'] or ''}  {one['author']}  {one['state']}  {one['text']}")
    say("story:")
    for entry in story:
        at = moment_text(entry["at_utc"], "milliseconds")
        say(f"  {entry['seq']:>6}  {at}  {entry['actor']}  {entry['action']}  {entry['outcome']}")


def _without(row: dict[str, Any] | None, *names: str) -> dict[str, Any]:
    return {name: value for name, value in (row or {}).items() if value is not None and name not in names}


def watch(
    job: Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")],
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Follow a job until it ends; exit 0 when it succeeded. With --json one object per change."""
    raise typer.Exit(wait_for(data, job, as_json=as_json))
