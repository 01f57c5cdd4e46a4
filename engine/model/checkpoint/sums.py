"""`SHA256SUMS`: what a publisher says that the files are."""

from __future__ import annotations

import re
from pathlib import Path

from engine.errors import WeightsError

NAMES = ("SHA256SUMS", "SHA256SUMS.txt", "sha256sums.txt")
_LINE = re.compile(r"(?P<sum>[0-9a-fA-F]{64})\s+\*?(?P<name>\S.*)")


def demanded_hashes(directory: Path) -> dict[Path, str]:
    """File -> sha256 from the list in the directory; empty when there is none. Raises WeightsError for a bad line."""
    found: dict[Path, str] = {}
    for name in NAMES:
        if not (directory / name).is_file():
            continue
        for number, line in enumerate((directory / name).read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            match = _LINE.fullmatch(line.strip())
            if match is None:
                what = f"{directory / name}, line {number} is no sha256 and name."
                raise WeightsError(what, hint="Fetch the list again.", problem="bad_sums")
            found[directory / match["name"].removeprefix("./")] = match["sum"].lower()
    return found
