"""A wall clock that only one house is told: libfaketime in its processes, and a file that says how far off they are to be.

The monotonic clock stays the machine's. The library is a Debian package (`apt-get install faketime`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

PLACES = (
    "/usr/lib/*-linux-gnu/faketime", "/usr/lib/faketime", "/usr/lib64/faketime", "/usr/local/lib/*-linux-gnu/faketime",
    "/usr/local/lib/faketime",
)  # fmt: skip
LIBRARY = "libfaketimeMT.so.1"
NO_LIBRARY = f"{LIBRARY} is not installed (Debian: apt-get install faketime)"
# Up to 0.9.10 the library makes sleeping until a monotonic moment fail after a jump (its issue 426), and that is how Python
# sleeps since 3.11. All other waits of Python are left alone by it.
_SLEEP = """import select, time


def sleep(seconds):
    select.select([], [], [], seconds)


time.sleep = sleep
"""


class WallClock:
    """The clock of one house. `environment`: what its processes must be started with."""

    def __init__(self, home: Path, library: Path) -> None:
        self._file = home / "wall_clock"
        site = home / "site"
        site.mkdir(parents=True, exist_ok=True)
        (site / "sitecustomize.py").write_text(_SLEEP, encoding="utf-8")
        self.set(0.0)
        before = os.environ.get("PYTHONPATH")
        self.environment = {
            "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(self._file), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
            "PYTHONPATH": os.pathsep.join([str(site), *([before] if before else [])]),
        }  # fmt: skip

    def set(self, ahead_s: float) -> None:
        """From now on every process of the house reads a wall clock that is so far ahead of the machine's."""
        part = self._file.with_suffix(".part")
        part.write_text(f"{ahead_s:+.0f}\n", encoding="utf-8")
        part.replace(self._file)  # read at any moment


def find_library(places: Iterable[str] = PLACES) -> Path | None:
    """Where libfaketime lies; None where it is not installed."""
    for pattern in places:
        found = sorted(Path("/").glob(f"{pattern.lstrip('/')}/{LIBRARY}"))
        if found:
            return found[0]
    return None
