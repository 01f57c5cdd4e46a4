"""Who got how much, and how long people wait: shares of computing time per team, waits per role. Over a span up to now."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

from dashboard.reads import Reads
from engine.catalog import FPS

FEWEST = 5  # waits; a quantile of fewer says nothing


def shares(reads: Reads, since: float) -> list[dict[str, Any]]:
    """Per team: jobs, seconds of computing, seconds of video, share of all computing in percent, p90 of its waits."""
    rows = reads.store.team_shares(since)
    whole = sum(row["seconds"] for row in rows)
    waits = _by(reads, since, "team")
    return [
        {"team": row["team"], "jobs": row["jobs"], "computing_s": row["seconds"], "video_s": row["frames"] / FPS,
         "share": 100 * row["seconds"] / whole if whole else 0.0, "p90_s": quantile(waits.get(row["team"], []), 0.9)}
        for row in rows
    ]  # fmt: skip


def waits(reads: Reads, since: float) -> list[dict[str, Any]]:
    """Per role: jobs that have begun, median and p90 of the time from submission to the first start; longest p90 first."""
    found = [
        {"role": role, "jobs": len(seconds), "median_s": quantile(seconds, 0.5), "p90_s": quantile(seconds, 0.9),
         "longest_s": max(seconds)}
        for role, seconds in _by(reads, since, "role").items()
    ]  # fmt: skip
    return sorted(found, key=lambda row: -row["longest_s"])


def quantile(values: list[float], share: float) -> float | None:
    """The value that so large a share does not exceed; None for fewer than five."""
    if len(values) < FEWEST:
        return None
    return sorted(values)[math.ceil(share * len(values)) - 1]


def _by(reads: Reads, since: float, key: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for row in reads.store.waits(since):
        found[row[key]].append(row["wait_s"])
    return found
