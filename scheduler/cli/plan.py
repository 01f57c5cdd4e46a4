"""`--validate` and `plan …`: a day's demand against the house, as tables for people and JSON for programs."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from scheduler.cli.checks import as_report, ask_daemon, house_checks, house_policy
from scheduler.cli.exits import ExitCode
from scheduler.cli.output import AsJson, print_json, print_table, say
from scheduler.cli.place import DEFAULT_DATA, DataDir, bad_usage, door, facts, house_time, time_of
from scheduler.core.counted import counted
from scheduler.errors import SchedulerError
from scheduler.plan.check import OK, UNKNOWN, checked
from scheduler.plan.entry import Calendar, DayPlan
from scheduler.plan.figures import time_text
from scheduler.plan.file import PlanError, kind_of, load_plan
from scheduler.plan.open_work import with_open_work
from scheduler.plan.report import PlanReport, change_line, check_plan
from scheduler.plan.simulated import play
from scheduler.plan.studio import read_studio
from scheduler.store import Reader, open_reader
from scheduler.zone import studio_zone

app = typer.Typer(help="The day plan: file one, see it, see its checks.", no_args_is_help=True)
PlanFile = Annotated[Path, typer.Argument(metavar="FILE", help="plan.yaml, or CSV with the same columns.")]
SHOWN_RATIO = 0.5  # quarter-hours used less are told in one line
SENTENCES = {
    "fits": "Everything fits.",
    "fits_degraded": "It works, but something needs attention.",
    "does_not_fit": "It does not fit: see the lines marked bad.",
    "cannot_tell": "Cannot tell: something could not be measured.",
}


def validate(data: Path, plan_file: Path | None, as_json: bool) -> ExitCode:
    """Check the house, and a plan against it: the file's, else the one filed for today. Returns the verdict's exit code."""
    plan = None if plan_file is None else read_plan_file(plan_file)
    report, found = full_report(data, plan)
    if as_json:
        print_json(report)
    else:
        _show(report, found)
    return ExitCode(report["exit_code"])


def full_report(data: Path, plan: DayPlan | None) -> tuple[dict[str, Any], PlanReport | None]:
    """(everything as data, the plan's part). Without a plan, the one filed for the house's today counts."""
    status, why_not = ask_daemon(data)
    now = time_of(status)
    found: PlanReport | None = None
    today, wanted = (Calendar.of(one, now, studio_zone()).day for one in (DayPlan(entries=()), plan or DayPlan(entries=())))
    checks = list(house_checks(data, now, status, why_not, is_for_later=wanted > today))
    day = wanted.isoformat()
    try:
        reader = open_reader(data)
    except SchedulerError as error:
        checks.append(checked("plan", UNKNOWN, "no_studio", reason=error.message))
    else:
        plan = plan or _filed(reader, day)
        if plan is None:
            checks.append(checked("plan", OK, "no_plan", {"day": day}, day=day))
        else:
            found = _check(data, plan, now, reader, status)
            checks += found.checks
        reader.close()
    part = found.to_json() if found is not None else {"day": day, "plan_sha256": None, "entries": [], "quarters": []}
    return {**as_report(checks, now, data), **part}, found


def _filed(reader: Reader, day: str) -> DayPlan | None:
    row = reader.filed_plan(day)
    return None if row is None else load_plan(row["text"], row["kind"])


def _check(data: Path, plan: DayPlan, now: float, reader: Reader, status: dict[str, Any] | None) -> PlanReport:
    policy = house_policy(data, reader, status)
    studio = read_studio(data, now, studio_zone(), reader, policy, status)
    studio, left_out = with_open_work(studio, reader)
    found = check_plan(plan, studio, play, data / "jobs")
    if left_out:
        found.checks.append(checked("plan open jobs", UNKNOWN, "open_unknown", {"jobs": left_out}, jobs=left_out))
    return found


def read_plan_file(file: Path) -> DayPlan:
    """The plan in a file. Raises a refusal with every problem, each with file and line."""
    text = plan_text(file)
    try:
        return load_plan(text, kind_of(file.name))
    except PlanError as error:
        raise plan_refusal(str(file), error) from error


def plan_text(file: Path) -> str:
    """A plan file's text. Raises a refusal where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise SchedulerError(404, "no_file", f"There is no file {file}.", field="plan", hint="Give a plan.yaml.") from error
    except UnicodeDecodeError as error:
        raise SchedulerError(
            422, "bad_plan", f"{file} is not UTF-8 text.", field="plan", hint="Save it as UTF-8 (CSV UTF-8 in a spreadsheet)."
        ) from error
    except OSError as error:
        raise SchedulerError(422, "bad_plan", f"{file} cannot be read: {error.strerror}.", field="plan") from error


def plan_refusal(name: str, error: PlanError) -> SchedulerError:
    """Every problem as `file:line: …`, for people and as data."""
    lines = []
    for problem in error.problems:
        where = f"{problem.path}: " if problem.path else ""
        lines.append(f"{name}:{problem.line}: {where}{problem.message} {problem.hint}".rstrip())
    return SchedulerError(422, "bad_plan", "\n".join(lines), **error.data)


# ---- tables --------------------------------------------------------------------------------------------------------------


def _show(report: dict[str, Any], found: PlanReport | None) -> None:
    print_table(("check", "state", "finding"), [(c["name"], c["state"], c["text"]) for c in report["checks"]])
    if found is not None:
        show_plan(found)
    say(SENTENCES[report["verdict"]])


def show_plan(found: PlanReport) -> None:
    """The plan's entries, its quarter-hours, and what would make misfits fit."""
    print_table(
        ("line", "role", "window", "videos", "fits", "finished", "longest wait", "what would make it fit"),
        [_entry_cells(entry, found) for entry in found.entries],
        title=f"Plan for {found.calendar.day}",
    )
    _show_quarters(found)
    if found.repair is not None:
        changes = "; ".join(f"line {one['line']}, {one['role']}: {one['text']}" for one in found.repair["changes"])
        if found.repair["fits"]:
            say(f"Together these make the whole plan fit: {changes}.")
        elif changes:
            left = "; ".join(f"line {one['line']}, {one['role']}" for one in found.repair["left"])
            say(f"Together these make more of the plan fit: {changes}. Still not: {left}.")


def _show_quarters(found: PlanReport) -> None:
    """The quarter-hours that are worth a look; all of them are in the JSON."""
    full = [one for one in found.quarters if one.is_overfull or one.ratio >= SHOWN_RATIO]
    if full:
        print_table(
            ("quarter", "wanted", "played", "of", "load", ""),
            [
                (
                    found.calendar.text(one.starts_at), time_text(one.wanted_s), time_text(one.played_s),
                    time_text(one.capacity_s), f"{one.ratio:.0%}", "more is wanted than can play" if one.is_overfull else "",
                )
                for one in full
            ],
            title="GPU time per quarter-hour",
        )  # fmt: skip
    if found.quarters and len(full) < len(found.quarters):
        most = max((one.ratio for one in found.quarters if one not in full), default=0.0)
        others = counted(len(found.quarters) - len(full), "more quarter-hour" if full else "quarter-hour")
        say(f"{others} {'is' if others.startswith('1 ') else 'are'} used to {most:.0%} at most.")


def _entry_cells(entry: dict[str, Any], found: PlanReport) -> tuple[object, ...]:
    fits = {None: "not known", True: "yes", False: "no"}[entry["fits"]]
    finishes, wait = entry.get("finishes_at"), entry.get("longest_wait_s")
    return (
        entry["line"], entry["role"], entry["window"], entry["count"], fits,
        None if finishes is None else found.calendar.text(finishes), None if wait is None else time_text(wait),
        change_line(entry) if entry["fits"] is False else None,
    )  # fmt: skip


# ---- commands ------------------------------------------------------------------------------------------------------------


@app.command(name="file")
def file_plan(file: PlanFile, data: DataDir = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """File a day's plan with the running studio: it is checked at 10:00 and by every --validate of that day."""
    read_plan_file(file)
    answer = door(data).file_plan(plan_text(file), kind_of(file.name))
    if as_json:
        print_json(answer)
        return
    say(f"filed for {answer['day']}: {counted(answer['videos'], 'video')} in {counted(answer['entries'], 'entry', 'entries')}")


@app.command(name="show")
def show_filed(
    day: Annotated[str | None, typer.Argument(metavar="[DAY]", help="Such as 2026-11-23; without it, today.")] = None,
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Print the plan that is filed for a day, as it was written."""
    wanted = day or Calendar.of(DayPlan(entries=()), house_time(data), studio_zone()).day.isoformat()
    _must_be_day(wanted)
    with facts(data) as reader:
        row = reader.filed_plan(wanted)
        known = [plan["day"] for plan in reader.filed_plans(10)]
    if row is None:
        hint = f"Filed are: {', '.join(known)}." if known else "File one with: role_scheduler plan file FILE"
        raise SchedulerError(404, "no_plan", f"No plan is filed for {wanted}.", field="day", hint=hint)
    if as_json:
        print_json(row)
        return
    say(row["text"].rstrip())


def _must_be_day(text: str) -> None:
    try:
        date.fromisoformat(text)
    except ValueError as error:
        raise bad_usage(f"{text!r} is no day.", field="day", hint="Write it like 2026-11-23.") from error


@app.command(name="checks")
def list_checks(data: DataDir = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """The checks that were kept: by the clock at 10:00 and through the API."""
    with facts(data) as reader:
        rows = reader.plan_checks()
    if as_json:
        print_json({"checks": rows})
        return
    calendar = Calendar.of(DayPlan(entries=()), house_time(data), studio_zone())
    print_table(
        ("number", "when", "day", "verdict", "exit", "by"),
        [(r["id"], calendar.text(r["at"]), r["day"], r["verdict"], r["exit_code"], r["actor"]) for r in rows],
    )
