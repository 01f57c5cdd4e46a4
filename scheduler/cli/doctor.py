"""`doctor`: is this machine fit for work, before anything is started?"""

from __future__ import annotations

import time
from typing import Annotated

import typer

from engine.catalog import SHAPES
from scheduler.cli.checks import as_report, verdict_of
from scheduler.cli.output import AsJson, print_json, print_table, say
from scheduler.cli.place import DEFAULT_DATA, DataDir, bad_usage
from scheduler.cli.serve import Host, Port

SENTENCES = {
    "fits": "This machine is fit for work.",
    "fits_degraded": "It works, but see the lines marked attention.",
    "does_not_fit": "It is not fit as it is: see the lines marked bad.",
    "cannot_tell": "Cannot tell: see the lines marked unknown.",
}


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(name="doctor")(doctor)


def doctor(
    data: DataDir = DEFAULT_DATA,
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="The model that serve would have.")] = "pocket",
    port: Port = 8000,
    host: Host = "127.0.0.1",
    as_json: AsJson = False,
) -> None:
    """Check the machine before work: driver, GPUs, links, clocks, disk, ports, limits, versions, leftovers of a dead run; each
    finding with its remedy. Changes nothing, needs no daemon. Exit 0 fit, 10 needs attention, 11 not fit, 12 cannot tell."""
    from scheduler.doctor.examination import examine
    from scheduler.doctor.subject import Subject

    if model not in SHAPES:
        raise bad_usage(f"--model {model!r} is unknown.", field="model", hint=f"Use {' or '.join(SHAPES)}.")
    # Nothing of the data directory is looked at in this process: its disk may be gone, and who asks would hang.
    findings = list(examine(Subject(data_dir=data.absolute(), model=model, host=host, port=port)))
    report = as_report(list(findings), time.time(), data)
    if as_json:
        print_json(report)
    else:
        print_table(("check", "state", "found"), [(one.name, one.state, one.text) for one in findings])
        for one in findings:
            if one.remedy:
                say(f"{one.name}: {one.remedy}")
        say(SENTENCES[report["verdict"]])
    raise typer.Exit(verdict_of(list(findings)))
