"""The vault's log: one JSON object per line on stderr."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from typing import Any


def log(event: str, *, level: str = "info", **fields: Any) -> None:
    """Write one line. A log that cannot be written (disk full, reader gone) must not end the vault."""
    line = json.dumps({"at": time.time(), "level": level, "process": "vault", "event": event, **fields})
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)
