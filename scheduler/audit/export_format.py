"""The log for others: JSONL (one ECS document per line, head in the last line) or CSV (head in a last comment)."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scheduler.audit.chain import Link
from scheduler.audit.ecs import COLUMNS, ECS_VERSION, document
from scheduler.audit.entry import ACTOR_GROUP
from scheduler.errors import SchedulerError

FORMATS = ("jsonl", "csv")
EXPORTED = "audit:exported"
NO_TIME = "1970-01-01T00:00:00.000000Z"  # of the head line of an empty export
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class ExportedHead:
    """The last line of an export. `is_complete`: it has all rows from 1 to `link.seq`, the chain can be followed."""

    link: Link
    rows: int
    is_complete: bool


def export_lines(rows: Iterable[Mapping[str, Any]], link: Link, format: str, *, is_complete: bool) -> Iterator[str]:
    """The export, line by line with line ends.

    `rows`: columns of `audit`, ascending, body as text, prev and hash as bytes.

    `link`: the end of the chain in the same snapshot. `is_complete` False for a filtered export: its rows can be
    checked one by one, not their order. SchedulerError `bad_format` for another format.
    """
    if format not in FORMATS:
        raise SchedulerError(
            422, "bad_format", f"Export format {format!r} is unknown.", field="format", hint="Use jsonl or csv."
        )
    writer = _jsonl if format == "jsonl" else _csv
    return writer(rows, link, is_complete)


def write_export(path: Path, lines: Iterable[str]) -> None:
    """Write an export file: complete or not at all (`.part`, fsync, rename)."""
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8", newline="") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def head_document(head: ExportedHead, at_utc: str) -> dict[str, Any]:
    """The last line of a JSONL export."""
    return {
        "@timestamp": at_utc,
        "ecs": {"version": ECS_VERSION},
        "event": {"kind": "state", "action": EXPORTED, "sequence": head.link.seq, "hash": head.link.hash.hex()},
        "service": {"name": "greenroom"},
        "greenroom": {"export": {"rows": head.rows, "complete": head.is_complete}},
    }


def json_line(doc: dict[str, Any]) -> str:
    """A line of the export; always the same bytes for the same document."""
    return json.dumps(doc, ensure_ascii=False, separators=(",", ":")) + "\n"


def _jsonl(rows: Iterable[Mapping[str, Any]], link: Link, is_complete: bool) -> Iterator[str]:
    count, at_utc = 0, NO_TIME
    for row in rows:
        count += 1
        at_utc = row["at_utc"]
        yield json_line(document({**row, "prev": row["prev"].hex(), "hash": row["hash"].hex()}))
    yield json_line(head_document(ExportedHead(link, count, is_complete), at_utc))


def _csv(rows: Iterable[Mapping[str, Any]], link: Link, is_complete: bool) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)

    def taken() -> str:
        text = buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        return text

    writer.writerow((*COLUMNS, ACTOR_GROUP))
    yield "\ufeff" + taken()  # the byte-order mark lets spreadsheets read UTF-8
    count = 0
    for row in rows:
        count += 1
        group = json.loads(row["body"]).get(ACTOR_GROUP, "") if ACTOR_GROUP in row["body"] else ""
        writer.writerow([_cell(value) for value in (*(row[name] for name in COLUMNS), group)])
        yield taken()
    complete = "true" if is_complete else "false"
    yield f"# head seq={link.seq} hash={link.hash.hex()} rows={count} complete={complete}\r\n"


def _cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula: a leading apostrophe makes it text."""
    text = value.hex() if isinstance(value, bytes) else str(value)
    return "'" + text if text.startswith(_FORMULA_STARTS) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    return text.lstrip("-").isdigit() and text.count("-") <= 1
