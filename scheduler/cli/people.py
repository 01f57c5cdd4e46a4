"""Who may come in: one-time login links for the browser, tokens for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scheduler.cli.output import AsJson, print_json, say
from scheduler.cli.place import DEFAULT_DATA, DataDir, bad_usage, door, facts
from scheduler.errors import SchedulerError
from scheduler.reach import DEFAULT_URL, announced_url

app = typer.Typer(help="Tokens for programs that call the API.", no_args_is_help=True)


def add_to(parent: typer.Typer) -> None:
    """Register the command that stands alone."""
    parent.command(name="login-link")(login_link)
    parent.command(name="password-reset")(password_reset)


def login_link(
    user: Annotated[str, typer.Option("--user", help="The person's name.")] = "admin",
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            help="Set of rights, a name in rights.yaml. Without it a known person keeps theirs, admin gets admin, others user.",
        ),
    ] = None,
    team: Annotated[
        str | None,
        typer.Option("--team", help="The person's team; without it, as it was. Jobs count against the team of their role."),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option("--base", help="Where people reach the dashboard; without it, where it listens on this machine."),
    ] = None,
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Print a link that signs a person in once."""
    where, known = _where(base, data), _as_known(data, user)
    answer = door(data).create_login_link(user, group or known["group"], known["team"] if team is None else team)
    link = where + str(answer["path"])
    if as_json:
        print_json({**answer, "link": link})
        return
    say(link)


def password_reset(
    user: Annotated[str, typer.Option("--user", help="Whose password is taken away.")],
    base: Annotated[
        str | None,
        typer.Option("--base", help="Where people reach the dashboard; without it, where it listens on this machine."),
    ] = None,
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Take a person's password away, sign them out everywhere, and print a link that signs them in once."""
    where = _where(base, data)
    answer = door(data).reset_password(user)
    link = where + str(answer["path"])
    if as_json:
        print_json({**answer, "link": link})
        return
    say(link)


def _where(base: str | None, data: Path) -> str:
    """What a link begins with. Checked before a link is made: one that leads nowhere is still a key."""
    if base is not None and not base.startswith(("http://", "https://")):
        raise bad_usage(f"{base!r} is no address.", field="base", hint="For example: https://greenroom.example.org")
    return (base or announced_url(data) or DEFAULT_URL).rstrip("/")


def _as_known(data: Path, user: str) -> dict[str, str]:
    """Group and team that a person has; somebody new gets the least, save for `admin`, the first who needs a way in."""
    nobody = {"group": "admin" if user == "admin" else "user", "team": ""}
    try:
        with facts(data) as reader:
            return {**nobody, **(reader.user(user) or {})}
    except SchedulerError as error:
        if error.code != "no_store":
            raise
        return nobody  # no studio was ever started here: the door says how to start one


@app.command()
def create(
    label: Annotated[str, typer.Argument(help="A name for the token, to revoke it by.")],
    user: Annotated[str, typer.Option("--user", help="Whose rights the token has.")],
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Make an API token; it is shown this once."""
    answer = door(data).create_token(user, label)
    if as_json:
        print_json(answer)
        return
    say(str(answer["token"]))


@app.command()
def revoke(
    label: Annotated[str, typer.Argument(help="The token's name.")],
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Make every token with this name worthless."""
    answer = door(data).revoke_token(label)
    if as_json:
        print_json(answer)
        return
    say(f"tokens named {label} are revoked")
