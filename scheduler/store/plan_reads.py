"""Reading day plans, their checks, rehearsals, and what past jobs cost."""

from __future__ import annotations

import json

from scheduler.store.reads import Reads, Row
from scheduler.store.sql import plans as sql

COSTS_SEEN = 50


class PlanReads(Reads):
    """Plans, checks, rehearsals. A report is data; times are seconds since 1970, days `2026-11-23`."""

    def filed_plan(self, day: str) -> Row | None:
        """The plan filed for a day: day, kind, text, sha256, videos, actor, at; or None."""
        return self._row(sql.SELECT_PLAN, (day,))

    def filed_plans(self, limit: int = 50) -> list[Row]:
        """Which plans are filed, the latest day first, without their texts."""
        return self._rows(sql.SELECT_PLANS, (limit,))

    def plan_check(self, day: str | None = None) -> Row | None:
        """The newest check, or the newest of a day: id, at, day, plan_sha256, verdict, exit_code, actor, report; or None."""
        row = self._row(sql.SELECT_LAST_CHECK) if day is None else self._row(sql.SELECT_LAST_CHECK_OF, (day,))
        return None if row is None else {**row, "report": json.loads(row["report"])}

    def plan_checks(self, limit: int = 50) -> list[Row]:
        """The checks, newest first, without their reports."""
        return self._rows(sql.SELECT_CHECKS, (limit,))

    def rehearsal(self, number: int) -> Row | None:
        """A rehearsal: id, at, kind, day, actor, report; or None."""
        row = self._row(sql.SELECT_REHEARSAL, (number,))
        return None if row is None else {**row, "report": json.loads(row["report"])}

    def rehearsals(self, limit: int = 50) -> list[Row]:
        """The rehearsals, newest first, without their reports."""
        return self._rows(sql.SELECT_REHEARSALS, (limit,))

    def job_costs(self) -> list[Row]:
        """Of the newest undisturbed jobs: id, width, height, total_blocks, run_s, block_s, video_bytes, fragment_bytes."""
        return self._rows(sql.SELECT_COSTS, (COSTS_SEEN,))

    def newest_recipe(self) -> Row | None:
        """The recipe of the newest job, as data; or None."""
        row = self._row(sql.SELECT_NEWEST_RECIPE)
        recipe: Row | None = None if row is None else json.loads(row["recipe"])
        return recipe

    def arrivals(self, since: float, until: float, limit: int = 20_000) -> list[Row]:
        """Jobs submitted in a time, in order, the rejected ones apart; `recipe` as data."""
        rows = self._rows(sql.SELECT_ARRIVALS, (since, until, limit))
        return [{**row, "recipe": json.loads(row["recipe"])} for row in rows]
