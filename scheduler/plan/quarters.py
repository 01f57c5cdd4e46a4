"""GPU seconds per quarter of an hour: what is wanted at once, what really plays, what the slots can give."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from math import floor
from typing import Any

from scheduler.core.maintenance import Window, closed_s

QUARTER_S = 900.0


@dataclass(frozen=True, kw_only=True)
class Quarter:
    """One quarter-hour. Seconds of GPU time: `wanted_s` if every video began when it is wanted, `played_s` as simulated."""

    starts_at: float
    text: str
    wanted_s: float
    played_s: float
    capacity_s: float

    @property
    def ratio(self) -> float:
        """Share of the capacity that plays."""
        return self.played_s / self.capacity_s if self.capacity_s else 0.0

    @property
    def is_overfull(self) -> bool:
        """More is wanted than the slots can give."""
        return self.wanted_s > self.capacity_s + 1.0

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            **{name: round(value, 1) if isinstance(value, float) else value for name, value in asdict(self).items()},
            "ratio": round(self.ratio, 3), "is_overfull": self.is_overfull,
        }  # fmt: skip


Span = tuple[float, float]  # begin and end, seconds since 1970


def quarters_of(
    wanted: Iterable[Span], played: Iterable[Span], slots: Collection[int], now: float, label: Callable[[float], str] = str,
    windows: Sequence[Window] = (),
) -> list[Quarter]:  # fmt: skip
    """All quarter-hours from the first to the last that anything touches; the present one has only what is left of it.

    `slots`: numbers of those that take work. `windows`: of maintenance, which take their slots' seconds. `label` says a time
    (seconds since 1970) as people read it.
    """
    asked, made = _seconds(wanted), _seconds(played)
    numbers = sorted({*asked, *made})
    if not numbers:
        return []
    return [
        Quarter(
            starts_at=number * QUARTER_S, text=label(number * QUARTER_S), wanted_s=asked.get(number, 0.0),
            played_s=made.get(number, 0.0), capacity_s=_capacity(number * QUARTER_S, slots, now, windows),
        )
        for number in range(numbers[0], numbers[-1] + 1)
    ]  # fmt: skip


def _seconds(spans: Iterable[Span]) -> dict[int, float]:
    found: dict[int, float] = {}
    for begin, end in spans:
        number = floor(begin / QUARTER_S)
        while number * QUARTER_S < end:
            inside = min(end, (number + 1) * QUARTER_S) - max(begin, number * QUARTER_S)
            found[number] = found.get(number, 0.0) + inside
            number += 1
    return found


def _capacity(starts_at: float, slots: Collection[int], now: float, windows: Sequence[Window]) -> float:
    """Seconds that the slots can work in what is left of the quarter-hour."""
    ends_at = starts_at + QUARTER_S
    since = min(ends_at, max(starts_at, now))
    return sum(ends_at - since - closed_s(windows, slot, since, ends_at) for slot in slots)
