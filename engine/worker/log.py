"""The worker's log: one JSON object per line on stderr; stdout is never used."""

from __future__ import annotations

import json
import logging
import os
import sys


class JsonLines(logging.Formatter):
    """`at` (seconds), `level`, `process`, `pid`, `event`, what `extra={"data": {…}}` holds, and the traceback."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = {
            "at": record.created,
            "level": record.levelname.lower(),
            "process": self._process,
            "pid": os.getpid(),
            "event": record.getMessage(),
            **getattr(record, "data", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def start_log(process: str) -> None:
    """Everything that is logged in this process goes to stderr from now on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(process))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.raiseExceptions = False  # a full disk under the log must not stop the work
