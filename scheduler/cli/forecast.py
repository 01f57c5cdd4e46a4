"""`forecast`: estimates of open jobs and their score; what `submit --what-if` prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from scheduler.cli.exits import ExitCode
from scheduler.cli.output import AsJson, print_json, print_table, say
from scheduler.cli.place import DEFAULT_DATA, DataDir, facts, house_time
from scheduler.core.counted import counted
from scheduler.forecasts import READER_S, Forecasts

BEGAN = "began"
app = typer.Typer(help="When jobs start and end, and how true such forecasts were.", no_args_is_help=True)
_REASONS = {
    "few_runs": "unknown: fewer than five jobs of three blocks or more have finished here",
    "pending": "not worked out yet",
    "stale": "unknown: the forecaster gives no fresh numbers",
    "held": "unknown: it waits for a person",
    "queue_paused": "unknown: the queue is paused (role_scheduler queue resume)",
    "slots_drained": "unknown: every slot is drained (role_scheduler drain SLOT --back)",
    "far_back": "unknown: too far back in line",
    "over": "it is over",
    "rejected": "it would be rejected",
}


@app.command(name="show")
def show(data: DataDir = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """The estimates of all open jobs, as of now."""
    now = house_time(data)
    told = Forecasts(data, lambda: now).everybody(READER_S)
    with facts(data) as reader:
        jobs = {row["id"]: told.of(row["id"]) for row in reader.each_job(state="open", sort="ordinal")}
    if as_json:
        print_json({"jobs": jobs})
        return
    if not jobs:
        say("No open job.")
        return
    print_table(("job", "starts in", "ends in"), [(job_id, *_cells(one, now)) for job_id, one in jobs.items()])


@app.command(name="score")
def score(data: DataDir = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """How true forecasts of finish were: the latest 500 jobs, and week by week."""
    found = Forecasts(data).score()
    if as_json:
        print_json(found)
        return
    rows = [*found["weeks"], {"week": "latest", **found["latest"]}]
    columns = ("week", "forecasts", "coverage_80", "worst_window_coverage", "median_error")
    cells = [[row[columns[0]], row[columns[1]], *(_percent(row[name]) for name in columns[2:])] for row in rows]
    print_table(("week", "jobs", "in the 80 % range", "worst 250", "median error"), cells)
    if found["not_scored"]:
        parts = found["not_scored_by"]
        say(
            f"not scored: {found['not_scored']} ({parts['cancelled']} cancelled, {parts['failed']} failed, "
            f"{parts['ended_before']} ended before their forecast)"
        )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def show_what_if(data: Path, request: dict[str, Any], *, as_json: bool) -> ExitCode:
    """Print what would happen; exit 11 for what would be rejected."""
    answer = Forecasts(data).what_if({name: value for name, value in request.items() if value is not None})
    code = ExitCode.DOES_NOT_FIT if answer["estimate_state"] == "rejected" else ExitCode.OK
    if as_json:
        print_json(answer)
        return code
    if sentence := ((answer["decision"] or {}).get("text") or {}).get("en"):
        say(sentence)
    say(told_text(answer, house_time(data)))
    if answer["delays"]:
        say(f"It would delay {counted(answer['delayed'], 'job')}:")
        print_table(
            ("job", "user", "role", "later by"),
            [(one["job"], one["user"], one["role"], f"{one['delay_s']:.0f} s") for one in answer["delays"]],
        )
    return code


def told_text(told: dict[str, Any], now: float) -> str:
    """When it starts and ends, or why nobody knows. `now`: the house's time."""
    begins, ends = _cells(told, now)
    if not told["estimate"]:
        return begins
    return f"{begins if begins.startswith(BEGAN) else f'starts in {begins}'}, ends in {ends}"


def _cells(told: dict[str, Any], now: float) -> tuple[str, str]:
    estimate = told["estimate"]
    if estimate is None:
        return _REASONS.get(told["estimate_state"], told["estimate_state"]), ""
    start, finish = (_range(estimate[name], now) for name in ("start", "finish"))
    if estimate["start"][0] == estimate["start"][-1] <= now:  # no forecast, but what has been
        start = f"{BEGAN} {now - estimate['start'][0]:.0f} s ago"
    if estimate["goes_on"] and estimate["goes_on"][-1] > now:  # else it went on since
        start += f", goes on in {_range(estimate['goes_on'], now)}"
    return start, finish


def _range(times: list[float], now: float) -> str:
    low, middle, high = (max(0.0, at - now) for at in times)
    return f"{middle:.0f} s ({low:.0f} to {high:.0f})"
