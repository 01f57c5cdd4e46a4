"""`trace`: what was asked for in the past, or on a day that never was, as a file for `simulate`."""

from __future__ import annotations

import json
from math import inf
from pathlib import Path
from typing import Annotated

import typer

from scheduler.cli.output import AsJson, note, print_json, say
from scheduler.cli.place import DEFAULT_DATA, DataDir, bad_usage, facts, house_time
from scheduler.core.counted import counted
from scheduler.simulation.history import trace_of
from scheduler.simulation.synthetic import KINDS, synthetic_trace
from scheduler.simulation.trace import Trace
from scheduler.zone import moment_text

app = typer.Typer(help="Files for `simulate`: the house's own past, or days that never were.", no_args_is_help=True)
MAX_JOBS = 200_000
Output = Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Write it here; without it, print it.")]


@app.command(name="export")
def export(
    hours: Annotated[float, typer.Option("--hours", help="How far back; 0: everything.")] = 24.0,
    output: Output = None,
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """The house's own past: submissions with their measured pace, slots that lost their worker, and pauses."""
    if not 0 <= hours < inf:
        raise bad_usage(f"--hours is {hours:g}.", field="hours", hint="Use hours before now, or 0 for everything.")
    with facts(data) as reader:
        trace = trace_of(reader, since=max(0.0, house_time(data) - hours * 3600.0) if hours else 0.0)
    if not trace.jobs:
        note("No job was submitted in that time: the trace is empty.")
    else:
        begins = moment_text(trace.begins_at).replace(" ", "T")
        note(f"Its second 0 was {begins}: give that to `simulate` as --begins where a policy has windows.")
    _write(trace, output, as_json)


@app.command(name="make")
def make(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")],
    slots: Annotated[int, typer.Option("--slots", help="The demand is made for so many.")] = 2,
    jobs: Annotated[int, typer.Option("--jobs", help="Submissions.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same trace.")] = 0,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """A synthetic day: bursts, preemption, faults, drift, a peak, or sessions and reserved times."""
    if not 1 <= jobs <= MAX_JOBS:
        raise bad_usage(f"--jobs is {jobs}.", field="jobs", hint=f"Use 1 to {MAX_JOBS}.")
    if not 1 <= slots <= 1024:
        raise bad_usage(f"--slots is {slots}.", field="slots", hint="Use 1 to 1024.")
    _write(synthetic_trace(kind, slots=slots, jobs=jobs, seed=seed), output, as_json)


def _write(trace: Trace, output: Path | None, as_json: bool) -> None:
    lines = trace.to_lines()
    pauses = sum(line.event.endswith("_paused") for line in trace.pauses)
    counts = {"jobs": len(trace.jobs), "faults": len(trace.faults), "pauses": pauses}
    if output is None:
        if as_json:
            print_json({**counts, "lines": [json.loads(line) for line in lines]})
            return
        for line in lines:
            say(line)
        return
    try:
        output.write_text("\n".join(lines) + "\n" * bool(lines), encoding="utf-8")
    except OSError as error:
        raise bad_usage(f"{output} cannot be written: {error}", field="output", hint="Name a file that can be.") from error
    if as_json:
        print_json({**counts, "output": str(output)})
    else:
        faults, paused = counted(counts["faults"], "fault"), counted(pauses, "pause")
        say(f"{counted(counts['jobs'], 'job')}, {faults} and {paused} written to {output}")
