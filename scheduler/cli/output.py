"""How the command line speaks: tables and colour for people at a terminal, plain lines elsewhere, JSON when asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from scheduler.errors import SchedulerError


def _remember(context: typer.Context, wants_json: bool) -> bool:
    """`--json` before or after the command means the same; errors are JSON then too."""
    shared = context.find_root().meta
    shared["wants_json"] = bool(wants_json or shared.get("wants_json"))
    return bool(shared["wants_json"])


AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.", callback=_remember)]


def is_terminal() -> bool:
    """True when a person sits in front of standard output."""
    return sys.stdout.isatty()


def say(text: str) -> None:
    """One plain line on standard output, at once."""
    print(text, flush=True)


def note(text: str) -> None:
    """A remark beside the answer: on standard error, so that JSON stays JSON."""
    print(text, file=sys.stderr, flush=True)


def print_json(data: object) -> None:
    """The answer as JSON, indented for a terminal and on one line elsewhere."""
    say(json.dumps(data, ensure_ascii=False, indent=2 if is_terminal() else None, default=str))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """A table for a terminal; aligned columns of plain text elsewhere."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if is_terminal():
        table = Table(*columns, title=title or None, title_justify="left")
        for row in cells:
            table.add_row(*row)
        Console().print(table, markup=False)
        return
    widths = [max(len(name), *(len(row[i]) for row in cells)) if cells else len(name) for i, name in enumerate(columns)]
    for row in [list(columns), *cells]:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_fields(data: dict[str, Any], indent: str = "") -> None:
    """`name: value` lines; what is inside is indented below."""
    for name, value in data.items():
        if isinstance(value, dict):
            say(f"{indent}{name}:")
            print_fields(value, indent + "  ")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            say(f"{indent}{name}:")
            for item in value:
                print_fields(item, indent + "  ")
                say(f"{indent}  -")
        else:
            say(f"{indent}{name}: {_plain(value)}")


def _plain(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value) or "-"
    return str(value)


def show_error(error: SchedulerError, wants_json: bool) -> None:
    """The refusal and the way out, on standard error; with --json the API's error shape on standard output."""
    if wants_json:
        shape = {"code": error.code, "message": error.message, "field": error.field, "hint": error.hint}
        print_json({"error": {**shape, **({"data": error.data} if error.data else {})}})
        return
    where = f"{error.field}: " if error.field and error.field not in error.message else ""
    note(f"{where}{error.message}")
    if error.hint:
        note(error.hint)


def bytes_text(count: float | None) -> str:
    """`1.5 GiB`; a missing reading is `not measured`."""
    if count is None:
        return "not measured"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
