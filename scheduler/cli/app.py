"""The command tree: `role_scheduler COMMAND …`, and the one flag of the published procedure, `--validate`."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from scheduler.cli import (
    again,
    audit,
    chaos,
    generate,
    jobs,
    memory,
    people,
    roles,
    serve,
    simulate,
    submit,
    trace,
    watermark,
    weights,
    wishes,
)
from scheduler.cli.exits import ExitCode, code_for
from scheduler.cli.output import AsJson, say, show_error
from scheduler.cli.place import DEFAULT_DATA, DataDir
from scheduler.errors import SchedulerError

_USAGE = 2  # what the argument parser exits with


class SchedulerGroup(TyperGroup):
    """Turns refusals into sentences and exit codes, and the parser's code 2 into 64."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a refusal is shown, never a traceback."""
        try:
            return super().invoke(ctx)
        except SchedulerError as error:
            show_error(error, wants_json=bool(ctx.meta.get("wants_json")))
            raise typer.Exit(code_for(error)) from error

    def main(self, *args: Any, **options: Any) -> Any:
        """Parse and run; exit with 64 where the parser would say 2."""
        try:
            return super().main(*args, **options)
        except SystemExit as ended:
            raise SystemExit(int(ExitCode.WRONG_USAGE) if ended.code == _USAGE else ended.code) from ended


app = typer.Typer(
    name="role_scheduler",
    cls=SchedulerGroup,
    help="One resident engine, many roles: submit videos, watch them, look after the studio.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def top(
    context: typer.Context,
    validate: Annotated[
        bool,
        typer.Option(
            "--validate", help="The watermark of now: memory, disk, assets, queue, versions; exit 0, 10, 11, 12."
        ),
    ] = False,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """One resident engine, many roles: submit videos, watch them, look after the studio."""
    os.environ["GREENROOM_DATA"] = str(data)  # `--data` before the command means the same as after it
    if show_version:
        say(f"role_scheduler {own_version()}")
        raise typer.Exit(ExitCode.OK)
    if validate:
        if context.invoked_subcommand:
            raise typer.BadParameter(f"--validate stands alone, without the command {context.invoked_subcommand!r}.")
        raise typer.Exit(watermark.validate(data, as_json))
    if context.invoked_subcommand is None:
        say(context.get_help())
        raise typer.Exit(ExitCode.WRONG_USAGE)


def own_version() -> str:
    """The installed version, or "unknown" when run from a tree that was never installed."""
    try:
        return version("greenroom")
    except PackageNotFoundError:
        return "unknown"


for family in (serve, submit, generate, jobs, wishes, again, watermark, chaos, simulate):
    family.add_to(app)
for name, group in (
    ("roles", roles.roles_app),
    ("prompt", roles.prompt_app),
    ("audit", audit.app),
    ("token", people.app),
    ("weights", weights.app),
    ("memory", memory.app),
    ("trace", trace.app),
):
    app.add_typer(group, name=name)
people.add_to(app)
