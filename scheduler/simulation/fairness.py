"""How evenly teams were served while they waited together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import combinations

from scheduler.simulation.records import JobRecord

LEAST_S = 60.0  # teams that waited together for less are not compared


def service_ratio(records: Iterable[JobRecord]) -> float | None:
    """Most over least slot seconds of two teams over the time both had jobs waiting; the worst pair. None: no such time."""
    changes = sorted(_changes(records))
    waiting: Counter[str] = Counter()
    running: Counter[str] = Counter()
    together: dict[tuple[str, str], list[float]] = {}
    before = 0.0
    for at, team, waits, runs in changes:
        if at > before:
            _serve(together, waiting, running, at - before)
            before = at
        waiting[team] += waits
        running[team] += runs
    ratios = [
        max(first, second) / max(min(first, second), 1.0)
        for seconds, first, second in together.values()
        if seconds >= LEAST_S
    ]
    return max(ratios, default=None)


def _serve(
    together: dict[tuple[str, str], list[float]], waiting: Counter[str], running: Counter[str], seconds: float
) -> None:
    for pair in combinations(sorted(team for team, count in waiting.items() if count > 0), 2):
        sums = together.setdefault(pair, [0.0, 0.0, 0.0])
        sums[0] += seconds
        sums[1] += running[pair[0]] * seconds
        sums[2] += running[pair[1]] * seconds


def _changes(records: Iterable[JobRecord]) -> Iterable[tuple[float, str, int, int]]:
    """(time, team, change of its waiting jobs, change of its running jobs)."""
    for record in records:
        if record.ended_at is None or record.state == "REJECTED":
            continue
        team, spells = record.line.team, record.spells
        yield record.line.at, team, 1, 0
        for since, until in spells:
            yield since, team, -1, record.line.gpus
            yield until, team, 1, -record.line.gpus
        yield record.ended_at, team, -1, 0
