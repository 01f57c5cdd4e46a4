"""`audit.head`: the last seq and hash, outside the database.

Written after commits, at most four times a second, so it may lag behind the database and is never ahead of it. It is
replaced by a rename, without fsync: a lost replacement leaves the older head, which still proves everything up to its
seq. After a clean close it says "closed": then even one row more in the database is one too many.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from engine.regular_file import NoRegularFile, read_regular
from scheduler.audit.chain import Link

HEAD_NAME = "audit.head"


@dataclass(frozen=True, slots=True)
class Head:
    """What the file says. `is_closed`: no writer has it open, the database must end exactly here."""

    link: Link
    is_closed: bool


def write_head(data_dir: Path, link: Link, *, is_closed: bool = False) -> None:
    """Replace the head file. OSError when the disk refuses; the old head then stays."""
    path = data_dir / HEAD_NAME
    part = data_dir / (HEAD_NAME + ".part")
    state = "closed" if is_closed else "open"
    part.write_text(json.dumps({"seq": link.seq, "hash": link.hash.hex(), "state": state}) + "\n", encoding="utf-8")
    part.replace(path)


def read_head(data_dir: Path) -> Head | None:
    """The head, or None when the file is missing or not readable as one."""
    try:
        data = json.loads(read_regular(data_dir / HEAD_NAME))
        link = Link(seq=int(data["seq"]), hash=bytes.fromhex(data["hash"]))
        is_closed = data["state"] == "closed"
    except (FileNotFoundError, NoRegularFile, ValueError, KeyError, TypeError):
        return None
    return Head(link, is_closed) if link.seq >= 0 and len(link.hash) == 32 else None
