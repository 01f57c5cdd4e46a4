"""Checks an exported JSONL file without the database: to the same head, line by line, in bounded memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scheduler.audit.chain import FIELDS, Link, chained_bytes, link_hash
from scheduler.audit.ecs import document, entry_of
from scheduler.audit.export_format import EXPORTED, NO_TIME, ExportedHead, head_document, json_line
from scheduler.audit.verdict import ChainResult, Verdict, VerdictCode, broken_row
from scheduler.core.counted import counted
from scheduler.errors import SchedulerError

_MAX_LINE = 1 << 20


def verify_export(path: Path) -> Verdict:
    """Check a JSONL export. A filtered one is checked row by row and says so in a warning.

    SchedulerError `no_export` when the file is not there. Files that are no export are broken at their first line.
    """
    if not path.is_file():
        raise SchedulerError(404, "no_export", f"There is no export at {path}.", field="export")
    rows, link, at_utc = 0, Link(), NO_TIME
    unlinked: int | None = None  # first row that does not follow the one before it
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(_MAX_LINE), b""), start=1):
            try:
                doc = json.loads(line)
                head = _head_of(doc, line, at_utc)
                if head is not None:
                    rest = file.read(1)
                    return _compare(rows, link, unlinked, head, bool(rest))
                entry = _checked_entry(doc, line)
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
                reason = f"line {number} of the export is not a true row ({error})"
                if number == 1:
                    reason += "; only an export in the format jsonl can be checked"
                return broken_row(ChainResult(rows, link, link.seq + 1, reason))
            if unlinked is None and (entry["seq"] != link.seq + 1 or entry["prev"] != link.hash.hex()):
                unlinked = link.seq + 1
            if entry["seq"] <= link.seq:
                return broken_row(ChainResult(rows, link, entry["seq"], "it stands in the wrong place"))
            rows, at_utc = rows + 1, entry["at_utc"]
            link = Link(entry["seq"], bytes.fromhex(entry["hash"]))
    return _answer(VerdictCode.TRUNCATED, "The last line, which names the head, is missing.", rows, link)


def _checked_entry(doc: dict[str, Any], line: bytes) -> dict[str, Any]:
    """The row of a line whose hash is right and which is, byte for byte, the line made from it; else ValueError."""
    entry = entry_of(doc)
    chained = chained_bytes(tuple(entry[name] for name in FIELDS))
    if link_hash(bytes.fromhex(entry["prev"]), entry["seq"], chained).hex() != entry["hash"]:
        raise ValueError("its content does not match its hash")
    if json_line(document(entry)).encode() != line:
        raise ValueError("its searchable fields differ from the row inside")
    return entry


def _head_of(doc: dict[str, Any], line: bytes, at_utc: str) -> ExportedHead | None:
    if doc["event"]["action"] != EXPORTED or "export" not in doc["greenroom"]:
        return None
    link = Link(int(doc["event"]["sequence"]), bytes.fromhex(doc["event"]["hash"]))
    about = doc["greenroom"]["export"]
    head = ExportedHead(link, int(about["rows"]), about["complete"] is True)
    if json_line(head_document(head, at_utc)).encode() != line:
        raise ValueError("the head line was changed")
    return head


def _compare(rows: int, link: Link, unlinked: int | None, head: ExportedHead, has_more: bool) -> Verdict:
    if has_more:
        return _answer(VerdictCode.HEAD_MISMATCH, "Lines follow the head line.", rows, link)
    if rows < head.rows:
        return _answer(VerdictCode.TRUNCATED, f"The export lacks {counted(head.rows - rows, 'row')}.", rows, link)
    if rows > head.rows:
        return _answer(VerdictCode.HEAD_MISMATCH, "The export has more rows than its head says.", rows, link)
    if not head.is_complete:
        note = "A filtered export: each row is sound, but rows left out or reordered cannot be seen."
        return _answer(VerdictCode.OK, f"Sound: {counted(rows, 'row')}.", rows, link, warnings=(note,))
    if unlinked is not None:
        return broken_row(ChainResult(rows, link, unlinked, "it is missing or does not follow the row before it"))
    if link != head.link:
        return _answer(VerdictCode.HEAD_MISMATCH, f"The last row is not the head, {head.link.seq}.", rows, link)
    return _answer(VerdictCode.OK, f"Sound: {counted(rows, 'row')}, up to {link.seq}.", rows, link)


def _answer(code: VerdictCode, message: str, rows: int, link: Link, *, warnings: tuple[str, ...] = ()) -> Verdict:
    return Verdict(code=code, message=message, rows=rows, seq=link.seq, hash=link.hash.hex(), warnings=warnings)
