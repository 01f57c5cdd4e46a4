"""Reading heals off the log, and learnt block times."""

from __future__ import annotations

import json
from typing import Any

from scheduler.audit.entry import utc_text
from scheduler.core.block_times import BlockKey, BlockTime
from scheduler.store.reads import Reads, Row
from scheduler.store.sql import healing as sql

ROWS_PER_HEAL = 8  # a heal has three rows, a long one some more


class HealingReads(Reads):
    """Heals and block times."""

    def heals(self, limit: int = 100, since: float = 0.0) -> list[Row]:
        """Heals since a time (seconds since 1970), newest first, each put together from its rows in the log.

        Keys: id, fault, place, job_id, state ("open", "recovered", "abandoned"), detected_at, acted_at, ended_at (UTC
        texts or None), detect_ms, act_ms, recovery_ms, total_ms (None where not known), action, actions (all of them,
        in order), cause (of an abandoned one), numbers (of the detection), seq (of its first row).
        """
        rows = self._rows(sql.SELECT_HEAL_ROWS, (utc_text(since), limit * ROWS_PER_HEAL))
        found: dict[str, Row] = {}
        for row in reversed(rows):
            body = json.loads(row["body"])
            if row["action"] == "fault:detected":
                found[body["heal"]] = _begun(row, body)
            elif (heal := found.get(body["heal"])) is not None:
                _go_on(heal, row, body)
        return sorted(found.values(), key=lambda heal: -heal["seq"])[:limit]

    def block_times(self) -> list[tuple[BlockKey, BlockTime]]:
        """All learnt estimates."""
        return [
            (
                BlockKey(row["model"], row["size"], row["steps"], row["device"]),
                BlockTime(row["typical_s"], row["spread_s"], row["slowest_s"], row["count"]),
            )
            for row in self._rows(sql.SELECT_BLOCK_TIMES)
        ]


_OF_EVERY = ("heal", "fault", "detect_ms", "job_id")


def _begun(row: Row, body: dict[str, Any]) -> Row:
    return {
        "id": body["heal"], "fault": body["fault"], "place": row["object"], "job_id": body.get("job_id"), "state": "open",
        "detected_at": row["at_utc"], "acted_at": None, "ended_at": None, "detect_ms": body.get("detect_ms"), "act_ms": None,
        "recovery_ms": None, "total_ms": None, "action": None, "actions": [], "cause": None, "seq": row["seq"],
        "numbers": {name: value for name, value in body.items() if name not in _OF_EVERY},
    }  # fmt: skip


def _go_on(heal: Row, row: Row, body: dict[str, Any]) -> None:
    if row["action"] == "heal:acted":
        heal["action"] = body["action"]
        heal["actions"].append(body["action"])
        if heal["acted_at"] is None:
            heal["acted_at"], heal["act_ms"] = row["at_utc"], body.get("act_ms")
        heal["numbers"] |= {name: body[name] for name in ("failures", "wait_s", "reason", "rung", "until") if name in body}
        return
    heal["state"] = "recovered" if row["action"] == "heal:recovered" else "abandoned"
    heal["ended_at"] = row["at_utc"]
    heal["recovery_ms"], heal["total_ms"] = body.get("recovery_ms"), body.get("total_ms")
    heal["cause"] = body.get("cause")
