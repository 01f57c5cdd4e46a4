"""A range of a forecast: the tenth, the middle and the ninetieth hundredth of what may happen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Range:
    """Seconds from the moment of the forecast."""

    p10: float
    p50: float
    p90: float

    def to_mapping(self, since: float = 0.0) -> dict[str, float]:
        """Plain data, rounded to milliseconds; `since` is added."""
        return {
            "p10": round(since + self.p10, 3), "p50": round(since + self.p50, 3), "p90": round(since + self.p90, 3),
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """When a job starts and when it ends. `runs`: how many finished jobs the paces were learnt from.

    `goes_on`: of a job that has begun, gave its slot up and stands in line again, when it plays on; None: any other's.
    """

    start: Range
    finish: Range
    goes_on: Range | None = None
    runs: int = 0


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of the sorted values lie, interpolated. Raises ValueError for no values."""
    if not ordered:
        raise ValueError("no values, so no quantile")
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def range_of(samples: Sequence[float]) -> Range:
    """The range of sampled values, in any order."""
    ordered = sorted(samples)
    return Range(quantile(ordered, 0.1), quantile(ordered, 0.5), quantile(ordered, 0.9))
