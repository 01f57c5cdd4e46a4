"""When the house is busy: the mean load of its devices by day of the week and hour of the studio's clock."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, tzinfo

from dashboard.reads import Reads
from scheduler.clock import house_now

DAYS_BACK = 35
HOUR_S = 3600.0


def heat(reads: Reads, zone: tzinfo | None, now: float | None = None) -> list[list[float | None]]:
    """Seven rows (Monday first) of 24 percentages; None where nothing was measured. Empty while there is no reading at all."""
    until = house_now() if now is None else now
    sums: dict[tuple[int, int], list[float]] = defaultdict(list)
    for row in reads.store.minute_steps(until - DAYS_BACK * 86_400, until, HOUR_S):
        if row["load"] is not None:
            local = datetime.fromtimestamp(row["at"], UTC).astimezone(zone)
            sums[local.weekday(), local.hour].append(row["load"])
    if not sums:
        return []
    return [[_mean(sums.get((day, hour))) for hour in range(24)] for day in range(7)]


def _mean(values: list[float] | None) -> float | None:
    return round(sum(values) / len(values)) if values else None
