"""Reading roles and assets.

A role row has: name, version, is_available (bool), problem (why not), sha256, created_at, and `body`, the role as data.
"""

from __future__ import annotations

import json

from scheduler.registry import Role
from scheduler.store.audit_reads import AuditReads
from scheduler.store.reads import Row
from scheduler.store.sql import jobs as job_sql
from scheduler.store.sql import roles as sql


class RoleReads(AuditReads):
    """Roles as they are now and as they were."""

    def roles(self) -> list[Row]:
        """The current version of every role, by name, removed ones included (not available)."""
        return [_parsed(row) for row in self._rows(sql.SELECT_CURRENT)]

    def role(self, name: str) -> Row | None:
        """The current version of a role, or None."""
        row = self._row(sql.SELECT_CURRENT_BY_NAME, (name,))
        return None if row is None else _parsed(row)

    def load_role(self, name: str, version: int | None = None) -> Role | None:
        """The role as an object, the current version or a given one; None when there is none.

        Says nothing of availability.
        """
        if version is None:
            row = self._row(sql.SELECT_CURRENT_BY_NAME, (name,))
        else:
            row = self._row(sql.SELECT_VERSION, (name, version))
        return None if row is None else _role(row)

    def role_versions(self, name: str) -> list[Row]:
        """Every version of a role, newest first: name, version, sha256, created_at, body."""
        return [{**row, "body": json.loads(row["body"])} for row in self._rows(sql.SELECT_VERSIONS, (name,))]

    def role_stats(self, name: str) -> Row:
        """

        hat a role has done: `jobs` (all), `by_state`, `blocks`, `block_seconds` (computing), `frames`,
        `last_switch`.

        `last_switch` is the newest `role:switched` row of the log, or None.
        """
        by_state = {row["state"]: row["jobs"] for row in self._rows(job_sql.SELECT_ROLE_STATE_COUNTS, (name,))}
        totals = self._row(job_sql.SELECT_ROLE_TOTALS, (name,)) or {"blocks": 0, "block_seconds": 0.0, "frames": 0}
        return {
            "jobs": sum(by_state.values()),
            "by_state": by_state,
            **totals,
            "last_switch": self.last_entry_of(f"role:{name}", "role:switched"),
        }

    def asset(self, sha256: str) -> Row | None:
        """sha256, kind, bytes, verdict (data), added_at; or None."""
        row = self._row(sql.SELECT_ASSET, (sha256,))
        return None if row is None else {**row, "verdict": json.loads(row["verdict"])}

    def assets(self) -> list[Row]:
        """All assets, newest first."""
        return [{**row, "verdict": json.loads(row["verdict"])} for row in self._rows(sql.SELECT_ASSETS)]


def _role(row: Row) -> Role:
    return Role.from_json(json.loads(row["body"]), version=int(row["version"]))


def _parsed(row: Row) -> Row:
    return {**row, "is_available": bool(row["is_available"]), "body": json.loads(row["body"])}
