"""docs/cli.md, made from the commands themselves: `python -m scheduler.cli.reference [--write]`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from scheduler.cli.app import app
from scheduler.cli.exits import MEANINGS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
_HEAD = """# Command line

Made from the program by `python -m scheduler.cli.reference --write`; a test compares the two.

Every command but `serve` and `demo` takes `--json`, before or after the command: one JSON object on standard output,
errors included. `-h` explains. Where standard output is no terminal, tables and progress are plain lines. The data
directory is `--data`, else `$GREENROOM_DATA`, else `./var`.
"""


def commands() -> Iterator[tuple[str, Any]]:
    """(words, command) of every command, in alphabetical order; the first is the program itself."""
    yield from _below("role_scheduler", typer.main.get_command(app))


def _below(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield words, command
    for name, inner in sorted(getattr(command, "commands", {}).items()):
        yield from _below(f"{words} {name}", inner)


def page() -> str:
    """The whole page."""
    parts = [_HEAD, "\n## Exit codes\n\n| code | meaning |\n|---|---|\n"]
    parts += [f"| {int(code)} | {meaning} |\n" for code, meaning in sorted(MEANINGS.items())]
    for words, command in commands():
        parts.append(_section(words, command))
    return "".join(parts)


def _section(words: str, command: Any) -> str:
    help_text = " ".join((command.help or "").split())
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    usage = " ".join([words, *(_value(p) for p in arguments)])
    lines = [f"\n## {words}\n\n{help_text}\n\n```\n{usage}{' [flags]' if options else ''}\n```\n"]
    if arguments or options:
        lines.append("\n| | |\n|---|---|\n")
    for param in arguments:
        lines.append(f"| `{_cell(_value(param))}` | {_cell(param.help or '')} |\n")
    for param in options:
        lines.append(f"| {_spelling(param)} | {_cell(param.help or '')}{_default(param)} |\n")
    return "".join(lines)


def _value(param: Any) -> str:
    return str(param.metavar or param.name.upper())


def _spelling(param: Any) -> str:
    names = "`, `".join([*param.opts, *param.secondary_opts])
    value = "" if param.is_flag else f" {_value(param)}"
    return f"`{names}{value}`"


def _default(param: Any) -> str:
    """What holds without the flag, where there is something to say that the text does not."""
    is_said = param.name == "data" or param.is_flag or param.default in (None, "", ()) or param.required
    return "" if is_said else f" Default: `{_cell(str(param.default))}`."


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main(arguments: list[str]) -> int:
    """Print the page, or write it with --write."""
    if arguments == ["--write"]:
        PAGE.write_text(page(), encoding="utf-8")
        print(f"{PAGE.name} is written")
        return 0
    if arguments:
        print("usage: python -m scheduler.cli.reference [--write]", file=sys.stderr)
        return 64
    print(page(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
