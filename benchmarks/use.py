"""What users, teams and roles have had, counted from the actions alone, and whether their quotas were kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scheduler.core.actions import MoveJob
from scheduler.core.job import FINAL_STATES, OWNED_STATES, JobState
from scheduler.core.policy import Policy
from scheduler.core.tags import Tag

KINDS = ("user", "team", "role")
DAY_S = 86_400.0
SLACK_S = 0.01  # milliseconds are rounded per lease
Row = Mapping[str, Any]


class Use:
    """Counts per (kind, name)."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.queued: dict[tuple[str, str], int] = {}
        self.spent_s: dict[tuple[str, str, float], float] = {}  # kind, name, day
        self.together: dict[str, int] = {}  # blocks made for each team while all of them waited
        self.teams: set[str] = set()
        self.wanted: dict[str, int] = {}  # slots at once, by job that wants several

    def take(self, action: MoveJob, row: Row, rows: Mapping[str, Row], at: float, lease_until: float) -> str | None:
        """A job moved (its row says so already, `lease_until` is what it said before); returns what is wrong with it."""
        self.teams.add(row["team"])
        entered = (action.target is JobState.QUEUED) - (action.source is JobState.QUEUED)
        for kind in KINDS:
            subject = (kind, row[kind])
            self.queued[subject] = self.queued.get(subject, 0) + entered
            if action.source in OWNED_STATES and action.target not in OWNED_STATES:
                until = min(at, lease_until) if action.body.get("cause") == "booted" else at
                key = (*subject, self._day(at))
                held_s = max(0.0, until - row["leased_at"]) * self.wanted.get(row["id"], 1)
                self.spent_s[key] = self.spent_s.get(key, 0.0) + held_s
        if action.tag == Tag.BLOCK_FINISHED and all(self.queued.get(("team", team), 0) > 0 for team in self.teams):
            self.together[row["team"]] = self.together.get(row["team"], 0) + 1
        if action.source is JobState.SUBMITTED and action.target is JobState.QUEUED:
            return self._admitted(row, rows, at)
        return None

    def run(self, row: Row, others: Iterable[Row]) -> str | None:
        """A job was given a slot beside these; returns what is wrong with it."""
        running = list(others)
        for kind in KINDS:
            limit = getattr(self.policy, f"max_running_per_{kind}")
            count = 1 + sum(other[kind] == row[kind] for other in running)
            if limit is not None and count > limit:
                return f"{kind} {row[kind]} has {count} running jobs of {limit}"
        return None

    def _admitted(self, row: Row, rows: Mapping[str, Row], at: float) -> str | None:
        for kind in KINDS:
            name = row[kind]
            limit = getattr(self.policy, f"max_queued_per_{kind}")
            if limit is not None and self.queued[kind, name] > limit:
                return f"{kind} {name} has {self.queued[kind, name]} queued jobs of {limit}"
            limit = getattr(self.policy, f"gpu_s_per_day_per_{kind}")
            if limit is None:
                continue
            mine = [other for other in rows.values() if other[kind] == name and other["state"] not in FINAL_STATES]
            left = [(other["total_blocks"] - other["blocks_done"]) * self.wanted.get(other["id"], 1) for other in mine]
            needed = sum(blocks * other["block_ms"] / 1000 for blocks, other in zip(left, mine, strict=True))
            running = [other for other in mine if other["state"] in OWNED_STATES]
            had = sum((at - other["leased_at"]) * self.wanted.get(other["id"], 1) for other in running)
            used = needed + had + self.spent_s.get((kind, name, self._day(at)), 0.0)
            if used > limit + SLACK_S * (1 + len(mine)):
                return f"{kind} {name} was promised {used:.1f} GPU seconds of {limit}"
        return None

    def _day(self, at: float) -> float:
        return (at - self.policy.quota_day_starts_s) // DAY_S
