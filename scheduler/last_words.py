"""What a child said last in its log: for the person who reads that it ended."""

from __future__ import annotations

import json
import re
from pathlib import Path

_READ_BYTES = 64 << 10
_MAX_CHARS = 600
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt|Refused|Failed|Damaged|Full): \S")


def last_words(path: Path, since: int = 0) -> str:
    """The last sentence of a log from byte `since` on: of a JSON line its message or its error with the way out, of a traceback
    its last error.

    Empty when there is none. Lines of a log that is not ours are taken as they are.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(since, size - _READ_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    plain = [line.strip() for line in lines if line.strip()]
    for line in reversed(plain):
        if (said := _message(line)) is not None:
            return said[:_MAX_CHARS]
        if _EXCEPTION.match(line) and not line.startswith("gunicorn."):
            return line[:_MAX_CHARS]
    return plain[-1][:_MAX_CHARS] if plain else ""


def _message(line: str) -> str | None:
    """The message of a JSON line that is an error or a warning."""
    if not line.startswith("{"):
        return None
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    level = entry.get("log.level", entry.get("level"))
    said = [entry.get("error"), entry.get("hint")] if entry.get("error") else [entry.get("message") or entry.get("event")]
    message = " ".join(part for part in said if isinstance(part, str) and part)
    return message if message and level in ("error", "critical", "warning") else None
