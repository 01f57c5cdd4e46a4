"""Writing day plans, their checks and rehearsals; whoever writes adds the audit row in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scheduler.canonical import canonical_json
from scheduler.store.sql import plans as sql
from scheduler.store.transaction import Transactional


class PlanWrites(Transactional):
    """Plans, checks, rehearsals."""

    def keep_plan(self, day: str, kind: str, text: str, sha256: str, videos: int, actor: str, at: float) -> None:
        """File a plan for a day; the one filed before for this day is overwritten (the audit keeps its hash)."""
        self._write(sql.KEEP_PLAN, (day, kind, text, sha256, videos, actor, at))

    def insert_plan_check(self, report: Mapping[str, Any], actor: str, at: float) -> int:
        """Keep a check's report; returns its number. The report names `day`, `plan_sha256`, `verdict`, `exit_code`."""
        values = (at, report["day"], report["plan_sha256"], report["verdict"], report["exit_code"], actor)
        return int(self._write(sql.INSERT_CHECK, (*values, canonical_json(dict(report)))).lastrowid or 0)

    def insert_rehearsal(self, report: Mapping[str, Any], actor: str, at: float) -> int:
        """Keep a rehearsal's report; returns its number. The report names `kind` and `day`."""
        values = (at, report["kind"], report["day"], actor, canonical_json(dict(report)))
        return int(self._write(sql.INSERT_REHEARSAL, values).lastrowid or 0)
