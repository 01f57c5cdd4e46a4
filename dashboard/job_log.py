"""What the processes wrote down about one job: lines of `logs/*.jsonl` that name it, in order of time."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

READ_BYTES = 2 << 20  # of each file's end; older lines are in the file itself
MOST = 500
LEVELS = ("debug", "info", "warning", "error")
_SHOWN = frozenset({
    "at", "@timestamp", "level", "log.level", "process", "service.name", "event", "message", "job", "pid", "process.pid",
})  # fmt: skip


def lines_of(data_dir: Path, job_id: str, level: str = "debug", after: float = 0.0) -> list[dict[str, Any]]:
    """at (seconds since 1970), level, process, text, more (the line's other fields); the newest 500 later than `after`."""
    wanted = LEVELS[LEVELS.index(level) :]
    found = []
    for path in sorted((data_dir / "logs").glob("*.jsonl")):
        for line in _tail(path):
            shown = _line(line, job_id) if job_id in line else None
            if shown is not None and shown["level"] in wanted and shown["at"] > after:
                found.append(shown)
    return sorted(found, key=lambda line: line["at"])[-MOST:]


def _tail(path: Path) -> list[str]:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - READ_BYTES))
        lines = file.read().decode("utf-8", errors="replace").splitlines()
    return lines[1:] if size > READ_BYTES else lines


def _line(text: str, job_id: str) -> dict[str, Any] | None:
    """None for what is no such line: half written, or about another job."""
    try:
        data = json.loads(text)
    except ValueError:
        return None
    if not isinstance(data, dict) or data.get("job", data.get("job_id", job_id)) != job_id:
        return None
    at = data.get("at")
    if not isinstance(at, int | float):
        at = _moment(str(data.get("@timestamp", "")))
    level = str(data.get("level") or data.get("log.level") or "info").lower()
    return {
        "at": float(at), "level": level if level in LEVELS else "info",
        "process": str(data.get("process") or data.get("service.name") or ""),
        "text": str(data.get("event") or data.get("message") or ""),
        "more": {name: value for name, value in data.items() if name not in _SHOWN},
    }  # fmt: skip


def _moment(text: str) -> float:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0
