"""`diagnose`: why is this video blurred or out of step?"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scheduler.cli.exits import ExitCode
from scheduler.cli.output import AsJson, note, print_json, print_table, say
from scheduler.cli.place import DEFAULT_DATA, DataDir, facts, job_of

_EXITS = {
    "sound": ExitCode.OK, "suspect": ExitCode.FITS_DEGRADED, "cause": ExitCode.DOES_NOT_FIT, "unknown": ExitCode.CANNOT_TELL,
}  # fmt: skip
_UNSCORED = {"no_video": "none, there is no video", "unmeasured": "none, nobody has measured it yet", "failed": "none:"}


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(name="diagnose")(diagnose)


def diagnose(
    job: Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")],
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every byte of the model's files, however large (up to 2 GiB it is done anyway).")
    ] = False,
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Why is a video blurred or out of step: input, degradation, communication, weights, each with its evidence and the way out.
    Changes nothing, needs no daemon. Exit 0 all sound, 10 something is suspect, 11 a cause was found, 12 cannot tell."""
    from scheduler.diagnosis.evidence import gather
    from scheduler.diagnosis.walk import diagnose as walk

    if deep:
        note("Every byte of the model's files is read: minutes for a large one.")
    with facts(data) as reader:
        found = walk(gather(reader, data, job_of(reader, job), is_deep=deep))
    told = found.to_json()
    exit_code = _EXITS[told["verdict"]]
    if as_json:
        print_json({**told, "exit_code": int(exit_code)})
    else:
        _show(told)
    raise typer.Exit(exit_code)


def _show(told: dict[str, Any]) -> None:
    """Scores, a line per finding, the figures of what is not sound, the conclusion."""
    scores = told["scores"]
    if scores["state"] == "measured":
        rows = [(name, one["text"], one["word"], one["red_line"]) for name, one in scores["measures"].items()]
        print_table(("score", "value", "word", "red line"), rows)
    else:
        say(f"scores: {_UNSCORED[scores['state']]} {scores.get('message', '')}".rstrip())
    findings = told["findings"]
    rows = [(one["branch"], one["name"], one["verdict"], one["text"]) for one in findings]
    print_table(("branch", "looked at", "verdict", "found"), rows)
    for one in findings:
        if one["verdict"] == "sound":
            continue
        evidence = ", ".join(f"{name} {value}" for name, value in one["evidence"].items())
        if one["audit"]:
            evidence += f"; audit {', '.join(map(str, one['audit']))}"
        say(f"{one['name']}: evidence: {evidence}")
        say(f"{one['name']}: {one['remedy']}")
    say(told["conclusion"])
