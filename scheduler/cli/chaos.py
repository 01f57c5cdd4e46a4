"""`chaos`: break a house on purpose, with real signals and real files, and prove that nothing was lost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from scheduler.cli.exits import ExitCode
from scheduler.cli.output import AsJson, note, print_json, print_table, say
from scheduler.cli.place import bad_usage
from scheduler.cli.steps import Steps
from scheduler.core.counted import counted

_FAULTS = (
    "kills", "disk_full", "read_only", "read_only_jobs", "dead_vault", "corrupt_weight", "truncated_model", "clock_jump",
)  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(name="chaos")(chaos)


def chaos(
    engine: Annotated[str, typer.Option("--engine", help="fake (scripted blocks) or real.")] = "fake",
    kills: Annotated[int, typer.Option("--kills", min=1, help="How many processes to kill.")] = 100,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same plan.")] = 1,
    kinds: Annotated[
        str, typer.Option("--kinds", help="Kinds of process, separated by commas: launcher, daemon, web, …, or all.")
    ] = "all",
    points: Annotated[str, typer.Option("--points", help="Named points, separated by commas, or all, or none.")] = "all",
    faults: Annotated[
        str, typer.Option("--faults", help=f"What to do: {', '.join(_FAULTS)}, separated by commas, or all.")
    ] = "kills",
    check_every: Annotated[int, typer.Option("--check-every", min=1, help="Blows between two checks of a house.")] = 100,
    houses: Annotated[
        int, typer.Option("--houses", min=1, max=200, help="Houses side by side: they share the kills, each with its own seed.")
    ] = 1,
    limit_s: Annotated[
        float | None,
        typer.Option("--limit-s", min=1, help="Begin no blow after so many seconds; each house is checked all the same."),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", metavar="DIR", help="Empty directory for the run; kept. Default: a temporary one."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Strike a house of its own, check it, report what was hit; exit 1 when something was lost or not hit."""
    from scheduler.chaos.faults import run_fault
    from scheduler.chaos.houses import run_houses
    from scheduler.chaos.merge import machine
    from scheduler.chaos.run import ChaosOptions

    if engine not in ("real", "fake"):
        raise bad_usage(f"--engine {engine!r} is unknown.", field="engine", hint="Use real or fake.")
    wanted = _chosen(faults, _FAULTS, "faults")
    options = ChaosOptions(
        engine=engine, kills=kills, seed=seed, kinds=_kinds(kinds), points=_points(points, engine),
        check_every=check_every, limit_s=limit_s,
    )  # fmt: skip
    home = _empty(data_dir)
    answer: dict[str, Any] = {"is_passed": True, "engine": engine, "faults": {}, "not_tried": {}, **machine()}
    if "kills" in wanted:
        with Steps("chaos") as show:
            answer["kills"] = run_houses(options, houses, home, show.update)
        answer["is_passed"] = answer["kills"]["is_passed"]
    for name in [name for name in wanted if name != "kills"]:
        note(f"chaos: {name}")
        outcome = run_fault(name, engine)
        if outcome.was_tried:
            answer["faults"][name] = {"seconds": outcome.seconds, "findings": outcome.findings}
            answer["is_passed"] &= not outcome.findings
        else:
            answer["not_tried"][name] = outcome.reason
    _print(answer, as_json)
    raise typer.Exit(ExitCode.OK if answer["is_passed"] else ExitCode.FAILED)


def _print(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    run = answer.get("kills")
    if run is not None:
        _print_kills(run, answer["engine"])
        for finding in run["findings"]:
            say(f"FOUND {finding}")
        if "kept_in" in run:
            say(f"everything is kept in {run['kept_in']}")
    for name, fault in answer["faults"].items():
        say(f"{name}: {'; '.join(fault['findings']) or 'nothing lost'} ({fault['seconds']} s)")
    for name, reason in answer["not_tried"].items():
        say(f"{name}: not tried ({reason})")
    say("nothing was lost" if answer["is_passed"] else "something was lost or not hit: see above")


def _print_kills(run: dict[str, Any], engine: str) -> None:
    hit = {**run["kills_by_kind"], **run["kills_by_point"]}
    print_table(("killed", "times"), sorted(hit.items()), f"{counted(run['kills'], 'kill')}, {engine} engine")
    if len(run["houses"]) > 1:
        names = ("house", "seed", "kills", "blows", "checks", "seconds", "is_passed")
        print_table(names, [[row[name] for name in names] for row in run["houses"]])
    say(f"{counted(run['acknowledged'], 'submission')} acknowledged, {counted(run['blocks_checked'], 'block')} checked")
    if run["stopped_at_limit"]:
        say(f"stopped at the limit: {run['kills']} of {counted(run['kills_asked'], 'kill')}")


def _kinds(text: str) -> tuple[Any, ...]:
    from scheduler.chaos.points import Kind

    return tuple(Kind(name) for name in _chosen(text, [str(kind) for kind in Kind], "kinds"))


def _points(text: str, engine: str) -> tuple[str, ...] | None:
    from scheduler.chaos.points import points_of

    if text == "none":
        return ()
    return None if text == "all" else tuple(_chosen(text, points_of(engine), "points"))


def _chosen(text: str, known: Any, field: str) -> list[str]:
    """The names in a list with commas. A refusal names what is unknown and what is known."""
    if text == "all":
        return list(known)
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in known]:
        raise bad_usage(f"--{field} {unknown[0]!r} is unknown.", field=field, hint=f"Use {', '.join(known)}.")
    if not names:
        raise bad_usage(f"--{field} is empty.", field=field, hint=f"Use {', '.join(known)}.")
    return names


def _empty(path: Path | None) -> Path | None:
    """Never a directory with something in it: a house could live there."""
    if path is not None and path.exists() and any(path.iterdir()):
        raise bad_usage(
            f"{path} is not empty; chaos breaks what it finds.", field="data-dir", hint="Name a directory that is not there yet."
        )
    if path is not None:
        path.mkdir(parents=True, exist_ok=True)
    return path.resolve() if path is not None else None
