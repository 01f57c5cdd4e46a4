"""`simulate`: a trace run through the scheduler in virtual time, with waits, forecasts and how true they were."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from scheduler.cli.output import AsJson, note, print_json, print_table, say
from scheduler.cli.place import bad_usage
from scheduler.cli.steps import Steps
from scheduler.core.counted import counted
from scheduler.core.policy import Policy
from scheduler.costs import Costs
from scheduler.policy_file import read_policy_at
from scheduler.rehearsal.classes import CLASSES, class_of
from scheduler.simulation.discipline import DISCIPLINES, GREENROOM, discipline_of
from scheduler.simulation.run import Result
from scheduler.simulation.run import simulate as run_trace
from scheduler.simulation.totals import waits
from scheduler.simulation.trace import MAX_AT_S, read_trace

FIRST_MOMENT = "1970-01-01"  # a Thursday: a trace whose times are seconds since 1970 means itself
QUIET_S = 10.0  # between two lines of progress in a log
_WAITS = ("mean_wait_s", "p50_wait_s", "p99_wait_s")
_WITH_A_TIME = {"reserved": "after their reserved time", "parts": "between the parts of a session"}
_ACCURACY = ("coverage_80", "worst_window_coverage", "median_error")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(name="simulate")(simulate)


def simulate(
    trace: Annotated[Path, typer.Argument(metavar="TRACE.jsonl", help="Submissions, faults, pauses: a JSON object per line.")],
    slots: Annotated[int, typer.Option("--slots", help="Workers that run jobs at the same time.")] = 1,
    policy: Annotated[
        Path | None, typer.Option("--policy", metavar="FILE", help="A policy.yaml; without it, the defaults.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same run.")] = 0,
    order: Annotated[
        str, typer.Option("--order", help=f"{GREENROOM} (as the policy says), {', '.join(DISCIPLINES[1:])}.")
    ] = GREENROOM,
    begins: Annotated[
        str, typer.Option("--begins", metavar="TIME", help="When second 0 was, in UTC: for weekly windows and days of quotas.")
    ] = FIRST_MOMENT,
    as_json: AsJson = False,
) -> None:
    """Run a trace through the scheduler's own core, in virtual time: who waits how long, and how true the forecasts are."""
    numbers, costs = read_numbers(policy)
    lines = replace(read_trace(trace), begins_at=moment_of(begins))
    with Steps("simulate", QUIET_S) as show:
        result = run_trace(
            lines, slots=slots, policy=numbers, costs=costs, seed=seed, discipline=order,
            on_progress=lambda done, total, at: show.update(done, total, f"{at:.0f} s of the trace"),
        )  # fmt: skip
    if as_json:
        head = {"trace": str(trace), "slots": slots, "seed": seed, "order": discipline_of(numbers, order)}
        print_json({**head, **result.to_mapping()})
        return
    _show(result, numbers.urgent_priority)
    for remark in result.notes:
        note(remark)


def moment_of(text: str) -> float:
    """Seconds since 1970 of `2026-11-23` or `2026-11-23T08:00`, in UTC where it names no other zone."""
    hint = "Write a day or a moment from 1970 to 5138, such as 2026-11-23 or 2026-11-23T08:00; it is UTC."
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise bad_usage(f"--begins is {text!r}.", field="begins", hint=hint) from None
    at = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    if not 0 <= at <= MAX_AT_S:
        raise bad_usage(f"--begins is {text!r}.", field="begins", hint=hint)
    return at


def read_numbers(path: Path | None) -> tuple[Policy, Costs]:
    """The rules' numbers and the simulated costs of a policy file. A file that is named must be there."""
    if path is None:
        return Policy(), Costs()
    if not path.is_file():
        raise bad_usage(f"There is no policy file {path}.", field="policy", hint="Leave --policy away for the defaults.")
    found = read_policy_at(path, None)
    return found.policy, found.costs


def _show(result: Result, urgent_priority: int) -> None:
    """Tables for people: waits by the rehearsal's classes of priority; `--json` has them of every single priority."""
    totals, baselines = result.totals, result.baselines
    say(f"{totals['succeeded']} of {counted(totals['jobs'], 'job')} succeeded, {counted(totals['preemptions'], 'preemption')}, "
        f"{counted(totals['workers_lost'], 'worker')} lost under a job")  # fmt: skip
    fair = "-, no two teams were backlogged together for a minute" if totals["fairness"] is None else totals["fairness"]
    say(f"slots in use {_share(totals['utilisation'])}, fairness (most / least service of teams) {fair}")
    rows = [("all", *(totals[name] for name in _WAITS))]
    classes = {name: [one for one in result.records if class_of(one.line.priority, urgent_priority) == name] for name in CLASSES}
    figures = {name: waits(records) for name, records in classes.items() if records}
    figures |= {words: totals[name] for name, words in _WITH_A_TIME.items() if totals[name]["jobs"]}
    rows += [(name, *(part[key] for key in _WAITS)) for name, part in figures.items()]
    print_table(("waits, seconds", "mean", "median", "99 %"), rows)
    accuracies = {"forecast": totals, **baselines}
    print_table(
        ("finish foretold by", "in the 80 % range", "worst 250 jobs", "median error"),
        [(name, *(_share(part[key]) for key in _ACCURACY)) for name, part in accuracies.items()],
    )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
