"""How evenly teams were served while both were backlogged: while both could have used more.

While somebody waits, a team is backlogged if it has a job waiting itself, or if its running jobs hold its equal part of the
busy slots or more. The second half is what it got out of having waited: left out, the service of a team's last waiting job
would count for nobody, and on one slot a team that asks for one job at a time would seem never to be served.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import combinations

from scheduler.simulation.records import JobRecord

LEAST_S = 60.0  # teams that were backlogged together for less are not compared


def service_ratio(records: Iterable[JobRecord], *, is_waiting_only: bool = False) -> float | None:
    """Most over least slot seconds of two teams over the time both were backlogged; the worst pair. None: no such time.

    `is_waiting_only`: only a team with a job waiting counts as backlogged.
    """
    waiting: Counter[str] = Counter()
    running: Counter[str] = Counter()
    together: dict[tuple[str, str], list[float]] = {}
    before = 0.0
    for at, team, waits, runs in sorted(_changes(records)):
        if at > before:
            for pair in combinations(sorted(_backlogged(waiting, running, is_waiting_only)), 2):
                sums = together.setdefault(pair, [0.0, 0.0, 0.0])
                sums[0] += at - before
                sums[1] += running[pair[0]] * (at - before)
                sums[2] += running[pair[1]] * (at - before)
            before = at
        waiting[team] += waits
        running[team] += runs
    ratios = [
        max(first, second) / max(min(first, second), 1.0)
        for seconds, first, second in together.values()
        if seconds >= LEAST_S
    ]
    return max(ratios, default=None)


def _backlogged(waiting: Counter[str], running: Counter[str], is_waiting_only: bool) -> set[str]:
    """Teams that could use more than they have."""
    lacking = {team for team, jobs in waiting.items() if jobs > 0}
    if is_waiting_only or not lacking:
        return lacking
    busy = {team: slots for team, slots in running.items() if slots > 0}
    equal_part = sum(busy.values()) / len(lacking | busy.keys())
    return lacking | {team for team, slots in busy.items() if slots >= equal_part}


def _changes(records: Iterable[JobRecord]) -> Iterable[tuple[float, str, int, int]]:
    """(time, team, change of its waiting jobs, change of its running jobs)."""
    for record in records:
        if record.ended_at is None or record.state == "REJECTED":
            continue
        team, spells = record.line.team, record.spells
        yield record.due_at, team, 1, 0  # before that it could use nothing
        for since, until in spells:
            yield since, team, -1, record.line.gpus
            yield until, team, 1, -record.line.gpus
        yield record.ended_at, team, -1, 0
