"""A plan as CSV, as a spreadsheet saves it: read into the same nodes as YAML, so that the same checks hold."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence

from scheduler.plan.figures import half_width
from scheduler.yaml_files import MAX_BYTES, Node, Problem

NUMBERS = frozenset({"length", "priority", "count"})
DAY = "date"
_DELIMITERS = ",;\t"
_MAY_BE_THOUSANDS = re.compile(r"[0-9],[0-9]{3}(?![0-9])")  # 1,000: a thousand to some, one to others


def csv_entries(text: str, known: Sequence[str], problems: list[Problem]) -> tuple[list[Node], Node | None]:
    """(an entry per row, the day if a column `date` names one). The first row names the columns; `,`, `;` or a tab separates.

    Empty rows are skipped, empty cells are absent. Problems are added to the list; their column is the number of the cell.
    """
    if len(text) > MAX_BYTES:
        most_kb = MAX_BYTES // 1024
        said = f"the file is larger than {most_kb} kB."
        problems.append(Problem(1, 1, "", said, "Split it.", "file_too_large", {"most_kb": most_kb}))
        return [], None
    text = text.removeprefix("\ufeff")
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    usable = [name for name in known if name != "context"]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    line = 1
    try:
        for row in reader:
            rows.append((line, [cell.strip() for cell in row]))
            line = reader.line_num + 1
    except csv.Error as error:
        problems.append(Problem(line, 1, "", f"this is not CSV: {error}.", "Save it as CSV UTF-8 again.", "not_csv"))
        return [], None
    filled = [(line, row) for line, row in rows if any(row)]
    if not filled:
        columns = ", ".join(usable)
        hint = f"The first row names the columns: {columns}."
        problems.append(Problem(1, 1, "", "the file is empty.", hint, "empty_csv", {"known": columns}))
        return [], None
    header = [name.lower() for name in filled[0][1]]
    if not _is_good_header(filled[0][0], header, usable, problems):
        return [], None
    nodes = [_node(line, row, header, problems) for line, row in filled[1:]]
    return nodes, _one_day(nodes, problems)


def _is_good_header(line: int, header: list[str], usable: list[str], problems: list[Problem]) -> bool:
    before = len(problems)
    for column, name in enumerate(header, start=1):
        if name and name not in usable and name != DAY:
            data = {"found": name[:40], "known": ", ".join([*usable, DAY])}
            said, hint = f"the column {name[:40]!r} is unknown.", f"Columns: {data['known']}."
            problems.append(Problem(line, column, "", said, hint, "unknown_column", data))
        elif name and header.index(name) != column - 1:
            said = f"the column {name!r} is there twice."
            problems.append(Problem(line, column, "", said, "Remove one.", "column_twice", {"found": name[:40]}))
    return len(problems) == before


def _node(line: int, row: list[str], header: list[str], problems: list[Problem]) -> Node:
    node = Node({}, line, 1)
    for column, cell in enumerate(row, start=1):
        name = header[column - 1] if column <= len(header) else ""
        if not cell:
            continue
        if not name:
            said, hint = f"{cell[:40]!r} stands in no named column.", "Name it in the first row."
            problems.append(Problem(line, column, "", said, hint, "no_column", {"found": cell[:40]}))
            continue
        node.keys[name] = (line, column)
        node.value[name] = Node(_value(name, cell), line, column)
    return node


def _value(name: str, cell: str) -> str | int | float:
    """Numbers where numbers belong; anything else stays text and is complained about by whoever wants a number."""
    written = half_width(cell)
    if name not in NUMBERS or "_" in written or _MAY_BE_THOUSANDS.search(written):
        return cell
    try:
        number = float(written.replace(",", "."))
    except ValueError:
        return cell
    if not math.isfinite(number):
        return cell
    return int(number) if number == int(number) else number


def _one_day(nodes: list[Node], problems: list[Problem]) -> Node | None:
    """The day that all rows name; the column is taken out of them."""
    days = [node.value.pop(DAY) for node in nodes if DAY in node.value]
    for node in nodes:
        node.keys.pop(DAY, None)
    for day in days:
        if day.value != days[0].value:
            hint = "A plan is for one day; put other days into other files."
            data = {"found": str(day.value)[:40], "first": str(days[0].value)[:40]}
            said = f"{day.value} is another day than {days[0].value}."
            problems.append(Problem(day.line, day.column, DAY, said, hint, "other_day", data))
    return days[0] if days else None
