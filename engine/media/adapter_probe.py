"""What can be said of an adapter before it is attached. It has a module of its own: its header is read without NumPy and PyAV,
and loading those takes longer than everything else here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.media.untrusted import opened_file
from engine.model.adapter_file import read_facts

MAX_ADAPTER_BYTES = 4 << 30


def probe_adapter(path: Path) -> dict[str, Any]:
    """The adapter's verdict; raises MediaError, WeightsError where it is none, or not a whole one.

    rank, modules, alpha (None: nothing says it), base_sha256 (None: not said); warnings. Whether it fits a model is found
    when it is attached: then a misfit is refused.
    """
    with opened_file(path, MAX_ADAPTER_BYTES) as (file, size):
        facts = read_facts(file, size, path)
    return {
        "rank": facts.rank, "modules": facts.modules, "alpha": facts.alpha, "base_sha256": facts.base_sha256, "warnings": [],
    }  # fmt: skip
