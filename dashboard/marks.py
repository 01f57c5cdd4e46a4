"""The watermark: from which share of memory on a device is near its limit, and from which it is above. Policy, not taste."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dashboard.reads import Reads
from scheduler.core.healing_policy import Fault, default_rule


@dataclass(frozen=True)
class Marks:
    """Percent of a device's memory. `high`: healing begins there; `low`: below it, what was given up comes back."""

    high: float
    low: float

    def level(self, percent: float | None) -> str:
        """`calm`, `near`, `above`, or `unknown` where nothing was measured."""
        if percent is None:
            return "unknown"
        return "above" if percent >= self.high else "near" if percent >= self.low else "calm"


def marks_of(reads: Reads) -> Marks:
    """The marks of the policy in force, as the daemon wrote it; the shipped ones while it has written none."""
    rule: dict[str, Any] = (reads.store.fact("healing_policy") or {}).get(Fault.MEMORY_HIGH) or {}
    usual = default_rule(Fault.MEMORY_HIGH).numbers
    high, low = (float(rule.get(name, usual[name])) for name in ("above_ratio", "return_below_ratio"))
    return Marks(round(100 * high, 1), round(100 * low, 1))


def disk_mark_bytes(reads: Reads) -> float:
    """Free space below which the policy calls the disk nearly full."""
    rule: dict[str, Any] = (reads.store.fact("healing_policy") or {}).get(Fault.DISK_LOW) or {}
    return float(rule.get("below_bytes", default_rule(Fault.DISK_LOW).numbers["below_bytes"]))
