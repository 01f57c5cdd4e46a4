"""How true forecasts were: coverage of the 80 % range, its worst stretch, the middle's error, the loss of the whole range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scheduler.forecast.ranges import Range, quantile

WINDOW = 250  # consecutive jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Of forecasts whose jobs have finished; None where there were none. `median_width`: (p90 - p10) / actual.

    `pinball_s`: mean quantile loss of p10, p50 and p90 in seconds (Koenker and Bassett 1978): least for the true quantiles, so it
    weighs how near a range lies and how narrow it is in one number.
    """

    forecasts: int
    coverage_80: float | None
    worst_window_coverage: float | None
    median_error: float | None
    median_width: float | None
    pinball_s: float | None

    def to_mapping(self) -> dict[str, Any]:
        """Plain data, rounded."""
        return {
            "forecasts": self.forecasts, "coverage_80": _rounded(self.coverage_80),
            "worst_window_coverage": _rounded(self.worst_window_coverage), "median_error": _rounded(self.median_error),
            "median_width": _rounded(self.median_width), "pinball_s": _rounded(self.pinball_s),
        }  # fmt: skip


def score_of(outcomes: Sequence[tuple[Range, float]]) -> Score:
    """Ranges and what came true (seconds from the same moment), in order. Fewer than a window count as one window."""
    if not outcomes:
        return Score(
            forecasts=0, coverage_80=None, worst_window_coverage=None, median_error=None, median_width=None, pinball_s=None
        )  # fmt: skip
    hits = [predicted.p10 <= actual <= predicted.p90 for predicted, actual in outcomes]
    errors = sorted(abs(predicted.p50 - actual) / max(actual, 1e-9) for predicted, actual in outcomes)
    widths = sorted((predicted.p90 - predicted.p10) / max(actual, 1e-9) for predicted, actual in outcomes)
    return Score(
        forecasts=len(outcomes), coverage_80=sum(hits) / len(hits), worst_window_coverage=_worst(hits),
        median_error=quantile(errors, 0.5), median_width=quantile(widths, 0.5),
        pinball_s=sum(pinball(*outcome) for outcome in outcomes) / len(outcomes),
    )  # fmt: skip


def pinball(predicted: Range, actual: float) -> float:
    """The mean quantile loss of p10, p50 and p90, in the unit of both."""
    off = ((0.1, actual - predicted.p10), (0.5, actual - predicted.p50), (0.9, actual - predicted.p90))
    return sum(max(level * miss, (level - 1.0) * miss) for level, miss in off) / len(off)


def _worst(hits: Sequence[bool]) -> float:
    width = min(WINDOW, len(hits))
    inside = worst = sum(hits[:width])
    for index in range(width, len(hits)):
        inside += hits[index] - hits[index - width]
        worst = min(worst, inside)
    return worst / width


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
