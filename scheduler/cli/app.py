"""The command tree: `role_scheduler COMMAND …`, and the one flag of the published procedure, `--validate`."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from scheduler.cli import (
    again,
    audit,
    batch,
    chaos,
    diagnose,
    doctor,
    forecast,
    generate,
    jobs,
    memory,
    people,
    plan,
    reviews,
    roles,
    serve,
    session,
    simulate,
    stress,
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


_STRESS_PANEL = "Load rehearsal"  # help shows these flags together; each means something with --stress alone


def _of_stress(name: str, text: str) -> Any:
    return typer.Option(name, help=text, rich_help_panel=_STRESS_PANEL)


@app.callback(invoke_without_command=True)
def top(
    context: typer.Context,
    validate: Annotated[
        bool,
        typer.Option(
            "--validate", help="The watermark of now and the day's plan: does it fit? Exit 0, 10, 11, 12."
        ),
    ] = False,
    plan_file: Annotated[
        Path | None,
        typer.Option("--plan", metavar="FILE", help="A day plan, YAML or CSV: to --validate, or as the day of --stress."),
    ] = None,
    stress_test: Annotated[
        bool, typer.Option("--stress", help="Rehearse a day of load, simulated in seconds; --live plays real jobs.")
    ] = False,
    is_live: Annotated[bool, _of_stress("--live", "Few real jobs at preview size against the running studio.")] = False,
    day: Annotated[
        str | None,
        _of_stress("--day", "peak (the default), history (the busiest day of the last 30), 2026-11-20, or a trace.jsonl."),
    ] = None,
    seed: Annotated[int, _of_stress("--seed", "The same seed gives the same peak day.")] = 0,
    slots: Annotated[int | None, _of_stress("--slots", "As many slots as these; without it, as many as take work.")] = None,
    compare: Annotated[int | None, _of_stress("--compare", "Show it beside a rehearsal that was kept.")] = None,
    live_jobs: Annotated[int, _of_stress("--jobs", "How many jobs --live submits, the urgent one included.")] = 6,
    limit_s: Annotated[float, _of_stress("--limit", "Seconds after which --live cancels what is left.")] = 300.0,
    anyway: Annotated[bool, _of_stress("--anyway", "Play --live even where it delays others.")] = False,
    is_unkept: Annotated[bool, _of_stress("--no-keep", "Do not keep the report.")] = False,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """One resident engine, many roles: submit videos, watch them, look after the studio."""
    os.environ["GREENROOM_DATA"] = str(data)  # `--data` before the command means the same as after it
    if show_version:
        say(f"role_scheduler {own_version()}")
        raise typer.Exit(ExitCode.OK)
    if validate and stress_test:
        raise typer.BadParameter("--validate and --stress are two things: one after the other.")
    if not stress_test and (astray := _given_for_stress(context)):
        raise typer.BadParameter(f"{', '.join(astray)}: only together with --stress.")
    if validate:
        if context.invoked_subcommand:
            raise typer.BadParameter(f"--validate stands alone, without the command {context.invoked_subcommand!r}.")
        raise typer.Exit(plan.validate(data, plan_file, as_json))
    if stress_test:
        if context.invoked_subcommand:
            raise typer.BadParameter(f"--stress stands alone, without the command {context.invoked_subcommand!r}.")
        raise typer.Exit(
            stress.stress(
                data, is_live=is_live, day=day, seed=seed, slots=slots, plan_file=plan_file, compare=compare, jobs=live_jobs,
                limit_s=limit_s, anyway=anyway, is_unkept=is_unkept, as_json=as_json,
            )
        )  # fmt: skip
    if plan_file is not None:
        raise typer.BadParameter("--plan goes with --validate or --stress.")
    if context.invoked_subcommand is None:
        say(context.get_help())
        raise typer.Exit(ExitCode.WRONG_USAGE)


def _given_for_stress(context: typer.Context) -> list[str]:
    """Those of the rehearsal's flags that somebody typed."""
    flags = [one for one in context.command.params if getattr(one, "rich_help_panel", None) == _STRESS_PANEL]
    sources = [(one, context.get_parameter_source(one.name or "")) for one in flags]
    return [one.opts[0] for one, source in sources if source is not None and source.name == "COMMANDLINE"]


def own_version() -> str:
    """The installed version, or "unknown" when run from a tree that was never installed."""
    try:
        return version("greenroom")
    except PackageNotFoundError:
        return "unknown"


for family in (serve, submit, batch, generate, jobs, wishes, reviews, again, watermark, chaos, simulate, doctor, diagnose):
    family.add_to(app)
for name, group in (
    ("roles", roles.roles_app),
    ("prompt", roles.prompt_app),
    ("audit", audit.app),
    ("token", people.app),
    ("weights", weights.app),
    ("memory", memory.app),
    ("trace", trace.app),
    ("session", session.app),
    ("forecast", forecast.app),
    ("plan", plan.app),
    ("rehearsals", stress.app),
):
    app.add_typer(group, name=name)
people.add_to(app)
