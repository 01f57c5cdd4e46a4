"""`--stress` and `rehearsals …`: a day of load, simulated or live, and what it teaches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from scheduler.cli.checks import ask_daemon, house_policy
from scheduler.cli.exits import ExitCode
from scheduler.cli.output import AsJson, note, print_json, print_table, say
from scheduler.cli.place import DEFAULT_DATA, DataDir, bad_usage, door, facts, house_time, time_of
from scheduler.cli.plan import read_plan_file
from scheduler.core.counted import counted
from scheduler.core.policy import Policy
from scheduler.errors import DaemonUnreachable, SchedulerError
from scheduler.plan.entry import Calendar, DayPlan
from scheduler.plan.figures import time_text
from scheduler.plan.studio import Studio, read_studio
from scheduler.rehearsal.live import check_ready, play_live
from scheduler.rehearsal.report import compared, differences, simulated_report
from scheduler.rehearsal.sources import day_named, plan_day
from scheduler.store import Reader, open_reader
from scheduler.zone import studio_zone

app = typer.Typer(help="Rehearsals that were kept: list, show, compare.", no_args_is_help=True)
MOST_LIVE_JOBS, MOST_LIVE_S = 50, 1800.0
Number = Annotated[int, typer.Argument(help="Its number; `role_scheduler rehearsals list` shows them.")]


def stress(
    data: Path, *, is_live: bool, day: str | None, seed: int, slots: int | None, plan_file: Path | None,
    compare: int | None, jobs: int, limit_s: float, anyway: bool, is_unkept: bool, as_json: bool,
) -> ExitCode:  # fmt: skip
    """Rehearse, keep the report where a daemon is there to keep it, show it; 1 when a job failed."""
    if is_live and (day is not None or plan_file is not None or slots is not None):
        raise bad_usage("--live plays its own jobs.", field="live", hint="Leave --day, --plan and --slots out.")
    if day is not None and plan_file is not None:
        raise bad_usage("--day and --plan both name a day.", field="day", hint="Give one of them.")
    before = None if compare is None else _kept(data, compare)
    report = _live(data, jobs, limit_s, anyway) if is_live else _simulated(data, day or "peak", seed, slots, plan_file)
    report = {**report, "number": None if is_unkept else _keep(data, report)}
    if as_json:
        more = {} if before is None else {"compared_with": compare, "comparison": compared(report, before)}
        print_json({**report, **more})
    else:
        show(report)
        if before is not None:
            show_comparison(report, before, compare or 0)
    totals = report["totals"]
    return ExitCode.FAILED if totals["failed"] or totals.get("cancelled") or totals.get("unfinished") else ExitCode.OK


def _simulated(data: Path, day: str, seed: int, slots: int | None, plan_file: Path | None) -> dict[str, Any]:
    if slots is not None and not 1 <= slots <= 1024:
        raise bad_usage(f"{counted(slots, 'slot')}.", field="slots", hint="Use 1 to 1024.")
    plan = None if plan_file is None else read_plan_file(plan_file)
    studio, reader = _studio(data)
    try:
        source = day_named(day, studio, reader, seed) if plan is None else plan_day(plan, studio)
    finally:
        if reader is not None:
            reader.close()
    if slots is not None and not day.endswith(".jsonl"):
        source = source.on(slots)
    count = slots or max(studio.usable_slots, source.trace.least_slots)
    return simulated_report(source, studio, count, seed)


def _studio(data: Path) -> tuple[Studio, Reader | None]:
    """The house as it is; without one, an empty house with one slot, so that a peak can be rehearsed anywhere."""
    zone = studio_zone()
    try:
        reader = open_reader(data)
    except SchedulerError:
        note("no studio here: one slot, the policy's defaults and an assumed pace are rehearsed")
        return Studio(now=time_of(None), zone=zone, policy=Policy(), slots=1), None
    status, why = ask_daemon(data)
    if why:
        note(f"rehearsed by what the store knows: {why}")
    return read_studio(data, time_of(status), zone, reader, house_policy(data, reader, status), status), reader


def _live(data: Path, jobs: int, limit_s: float, anyway: bool) -> dict[str, Any]:
    if not 2 <= jobs <= MOST_LIVE_JOBS:
        raise bad_usage(f"--jobs {jobs}.", field="jobs", hint=f"Use 2 to {MOST_LIVE_JOBS}.")
    if not 1 <= limit_s <= MOST_LIVE_S:
        raise bad_usage(f"--limit {limit_s:g}.", field="limit", hint=f"Use 1 to {MOST_LIVE_S:g} seconds.")
    client = door(data)
    with facts(data) as reader:
        status = client.status()
        roles = check_ready(status, reader, may_delay=anyway)
        policy = house_policy(data, reader, status)
        return play_live(
            client, reader, roles, jobs=jobs, limit_s=limit_s, urgent_priority=policy.urgent_priority, say=note
        )


def _keep(data: Path, report: dict[str, Any]) -> int | None:
    """Its number; None (and a remark) where no daemon is there to write it down."""
    try:
        return int(door(data).keep_rehearsal(report)["number"])
    except DaemonUnreachable:
        note("not kept: only a running daemon writes (role_scheduler serve)")
        return None


def _kept(data: Path, number: int) -> dict[str, Any]:
    with facts(data) as reader:
        row = reader.rehearsal(number)
        known = [str(one["id"]) for one in reader.rehearsals(10)]
    if row is None:
        hint = f"Kept are: {', '.join(known)}." if known else "None is kept yet: role_scheduler --stress"
        raise SchedulerError(404, "no_rehearsal", f"There is no rehearsal {number}.", field="compare", hint=hint)
    report: dict[str, Any] = {**row["report"], "number": number}
    return report


# ---- tables --------------------------------------------------------------------------------------------------------------


def show(report: dict[str, Any]) -> None:
    """A report as tables."""
    totals, peaks = report["totals"], report["peaks"]
    kept = f", number {report['number']}" if report.get("number") is not None else ""
    pace = f", {report['block_s']:g} s per block ({report['block_s_basis']})" if "block_s" in report else ""
    say(f"{report['kind']} rehearsal of {report['day']}{kept}: {counted(report['slots'], 'slot')}{pace}")
    print_table(
        ("class", "jobs", "done", "mean wait", "p50", "p90", "p99", "longest", "preempted"),
        [
            (name, one["jobs"], one["done"], *(_wait(one[f"{key}_wait_s"]) for key in ("mean", "p50", "p90", "p99", "longest")),
             one["preemptions"])
            for name, one in report["classes"].items()
        ],
    )  # fmt: skip
    say(
        f"{counted(totals['preemptions'], 'preemption')}, {totals['degraded']} at a lower setting, {totals['failed']} failed, "
        f"{totals['rejected']} turned away, {counted(totals['workers_lost'], 'worker')} lost"
    )
    if report["kind"] == "simulated" and totals.get("cancelled"):
        say(f"{counted(totals['cancelled'], 'part')} cancelled, since the part before came to nothing")
    say(f"longest queue {peaks['queue']} after {time_text(peaks['queue_at_s'])}, longest wait {_wait(peaks['longest_wait_s'])}")
    if (urgent := report.get("urgent_job")) is not None and urgent.get("slot_s") is not None:
        say(
            f"the urgent job had its slot after {_wait(urgent['slot_s'])} ({urgent['slot_blocks']} of a block's time) "
            f"and was prepared in {_wait(urgent['prepare_s']) or 'more than was left'}"
        )
    if (estimates := report.get("estimates")) and estimates["told"]:
        say(f"estimates: {estimates['within']} of {estimates['told']} ended within them, off by {estimates['mean_error']:.0%}")
    if report.get("is_cut_short"):
        say("The time was over before all had ended; what was left is cancelled.")
    for one in report["suggestions"]:
        say(f"suggested: {one['text']}")
    if report["kind"] == "simulated" and not report["suggestions"]:
        say("No other number of the policy that was tried does clearly better on this day.")


def show_comparison(now: dict[str, Any], before: dict[str, Any], number: int) -> None:
    """Two reports side by side."""
    for line in differences(now, before):
        say(f"not the same: {line}")
    mine = "now" if now.get("number") is None else f"number {now['number']}"
    print_table(
        ("figure", f"number {number}", mine, "change"),
        [(one["words"], one["before"], one["now"], _signed(one["change"])) for one in compared(now, before)],
    )


def _wait(seconds: float | None) -> str | None:
    return None if seconds is None else time_text(seconds)


def _signed(change: float | None) -> str | None:
    return None if change is None else f"{change:+g}" if change else "0"


# ---- commands ------------------------------------------------------------------------------------------------------------


@app.command(name="list")
def list_rehearsals(data: DataDir = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """The rehearsals that were kept, newest first."""
    with facts(data) as reader:
        rows = reader.rehearsals()
    if as_json:
        print_json({"rehearsals": rows})
        return
    calendar = Calendar.of(DayPlan(entries=()), house_time(data), studio_zone())
    print_table(
        ("number", "when", "kind", "day", "by"),
        [(row["id"], calendar.text(row["at"]), row["kind"], row["day"], row["actor"]) for row in rows],
    )


@app.command(name="show")
def show_rehearsal(number: Number, data: DataDir = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """One rehearsal's report."""
    report = _kept(data, number)
    if as_json:
        print_json(report)
        return
    show(report)


@app.command(name="compare")
def compare_rehearsals(
    number: Number,
    other: Annotated[int, typer.Argument(help="The one to compare it with, usually the older one.")],
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Two rehearsals side by side."""
    now, before = _kept(data, number), _kept(data, other)
    if as_json:
        print_json({"comparison": compared(now, before), "differences": differences(now, before)})
        return
    show_comparison(now, before, other)
