"""`roles check | list | load` and `prompt preview`: the registry, before and after it is loaded."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from scheduler.assets import AssetLibrary
from scheduler.cli.output import AsJson, note, print_json, print_table, say
from scheduler.cli.place import DEFAULT_DATA, DataDir, bad_usage, door, facts, parse_pairs
from scheduler.core.counted import counted
from scheduler.errors import SchedulerError
from scheduler.prompts import PromptSource, render
from scheduler.registry import Problem, RoleDraft, RolesError, load_roles
from scheduler.role_assets import check_drafts
from scheduler.yaml_files import text_of

roles_app = typer.Typer(help="The registry of roles: check a file, load it, list what is loaded.", no_args_is_help=True)
prompt_app = typer.Typer(help="The prompts that roles make.", no_args_is_help=True)
RolesFile = Annotated[Path, typer.Argument(metavar="FILE", help="A roles.yaml.")]


def _text_of(path: Path) -> str:
    try:
        return text_of(path)
    except FileNotFoundError as error:
        raise bad_usage(f"There is no file {path}.", field="file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise bad_usage(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}.", field="file"
        ) from error


def read_roles(path: Path) -> list[RoleDraft]:
    """The roles of a file as written, their files not yet looked into. Raises a refusal with line numbers."""
    try:
        return load_roles(_text_of(path), path.resolve().parent)
    except RolesError as error:
        raise roles_refusal(path, error.problems) from error


@roles_app.command()
def check(file: RolesFile, data: DataDir = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Check a roles.yaml and the portraits and voices it names; nothing is loaded. Exit 0 or 64."""
    names, warnings = require_sound(file, data)
    if as_json:
        print_json({"roles": names, "warnings": warnings})
        return
    for warning in warnings:
        note(f"warning: {warning}")
    say(f"{file}: {counted(len(names), 'role')} sound: {_names(names)}")


def require_sound(file: Path, data: Path) -> tuple[list[str], list[str]]:
    """Names of the roles in a file, and warnings. Raises a refusal with line numbers when file, portraits or voices fail."""
    drafts = read_roles(file)
    problems, warnings = check_files(drafts, data)
    if problems:
        raise roles_refusal(file, problems)
    return [draft.name for draft in drafts], warnings


def roles_refusal(file: Path, problems: list[Problem]) -> SchedulerError:
    """Every problem with its line, for people and as data."""
    lines = "\n".join(_located(file, problem) for problem in problems)
    return SchedulerError(
        422, "bad_roles", lines, field=None, problems=[dataclasses.asdict(problem) for problem in problems]
    )


def check_files(drafts: list[RoleDraft], data: Path) -> tuple[list[Problem], list[str]]:
    """What is wrong with the files that roles name, with the line of the role; and the warnings."""
    _, problems, warnings = asyncio.run(check_drafts(AssetLibrary(data), drafts))
    return problems, warnings


def _located(file: Path, problem: Problem) -> str:
    where = f"{problem.path}: " if problem.path else ""
    return f"{file}:{problem.line}: {where}{problem.message} {problem.hint}".rstrip()


@roles_app.command()
def load(file: RolesFile, data: DataDir = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Replace the registry of the running studio by this file; running jobs keep the version they started with."""
    read_roles(file)
    answer = door(data).put_roles(_text_of(file), file.resolve().parent)
    if as_json:
        print_json(answer)
        return
    for warning in answer.get("warnings", ()):
        note(f"warning: {warning}")
    changed, removed = _names(answer["changed"]), _names(answer["removed"])
    say(f"loaded: {_names(answer['roles'])}; changed: {changed}; removed: {removed}")


def _names(names: list[str]) -> str:
    return ", ".join(names) or "none"


@roles_app.command(name="list")
def list_roles(data: DataDir = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """The roles that are loaded."""
    with facts(data) as reader:
        rows = reader.roles()
    if as_json:
        print_json({"roles": rows})
        return
    print_table(
        ("role", "version", "available", "priority", "preset", "style", "team"),
        [_role_cells(row) for row in rows],
    )


def _role_cells(row: dict[str, Any]) -> tuple[object, ...]:
    body = row["body"]
    available = "yes" if row["is_available"] else f"no: {row['problem'] or 'no reason was given'}"
    return (row["name"], row["version"], available, *(body.get(key) for key in ("priority", "preset", "style", "team")))


@prompt_app.command()
def preview(
    role: Annotated[str, typer.Argument(help="The role.")],
    context: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Variables of its prompt.")
    ] = None,
    roles: Annotated[
        Path | None,
        typer.Option("--roles", metavar="FILE", help="Take the role from this file, not from what is loaded."),
    ] = None,
    style: Annotated[str | None, typer.Option("--style", help="Another style than the role's own.")] = None,
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Show the prompt that a role makes of a context, and what looks wrong in it. No daemon is needed."""
    rendered = render(_source(role, roles, data), parse_pairs(context), style=style)
    if as_json:
        print_json({"prompt": rendered.prompt, "used": dict(rendered.used), "warnings": list(rendered.warnings)})
        return
    say(rendered.prompt)
    for warning in rendered.warnings:
        note(f"warning: {warning}")


def _source(name: str, file: Path | None, data: Path) -> PromptSource:
    if file is not None:
        drafts = {draft.name: draft for draft in read_roles(file)}
        if name in drafts:
            return drafts[name]
        known = sorted(drafts)
    else:
        with facts(data) as reader:
            if (role := reader.load_role(name)) is not None:
                return role
            known = sorted(row["name"] for row in reader.roles())
    hint = f"Roles: {_names(known)}."
    raise SchedulerError(404, "unknown_role", f"There is no role {name!r}.", field="role", hint=hint)
