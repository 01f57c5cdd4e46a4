"""Statements that read the log. It is written in `scheduler.audit.append` alone."""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.audit.ecs import COLUMNS

_ALL = ", ".join(COLUMNS)
SELECT_LAST_SEQ = "SELECT coalesce(max(seq), 0) FROM audit"
SELECT_ENTRY = f"SELECT {_ALL} FROM audit WHERE seq = ?"
SELECT_AFTER = f"SELECT {_ALL} FROM audit WHERE seq > ? ORDER BY seq LIMIT ?"
SELECT_STORY = f"SELECT {_ALL} FROM audit WHERE object IN (?, 'job:' || ?) ORDER BY seq"
SELECT_LAST_OF = f"SELECT {_ALL} FROM audit WHERE object = ? AND +action = ? ORDER BY seq DESC LIMIT 1"  # + : by object
# The second condition is the index's own: SQLite does not see that the first implies it.
SELECT_RECENT_ERRORS = """
SELECT a.seq, a.at_utc, a.action, a.object, a.actor, a.body, j.error_code, j.error_message, j.error_hint, j.role, j.user
FROM audit AS a INDEXED BY audit_trouble LEFT JOIN jobs AS j ON j.id = substr(a.object, 5) AND a.object LIKE 'job:%'
WHERE a.outcome = 'failure' AND a.outcome != 'success' ORDER BY a.seq DESC LIMIT ?"""

CONDITIONS = {  # filter → condition; the parameter has the filter's name
    "actor": "actor = :actor", "action": "action GLOB :action", "object": "object = :object",
    "outcome": "outcome = :outcome",
    "trouble": "(outcome = :trouble AND outcome != 'success')", "since": "at_utc >= :since", "until": "at_utc < :until",
    "text": "(object LIKE :text ESCAPE '\\' OR actor LIKE :text ESCAPE '\\' OR action LIKE :text ESCAPE '\\'"
            " OR body LIKE :text ESCAPE '\\')",
    "group": "(json_extract(body, '$.actor_group') = :group AND actor != 'system')",  # the index leaves the house's own rows out
    "before_seq": "seq < :before_seq", "after_seq": "seq > :after_seq",
}  # fmt: skip


def _where(filters: Iterable[str]) -> str:
    parts = [CONDITIONS[name] for name in filters]
    return f"WHERE {' AND '.join(parts)}" if parts else ""


def page_of_entries(filters: Iterable[str], *, is_ascending: bool) -> str:
    """One page of rows that meet all the filters; keyset paging through `before_seq` or `after_seq`."""
    order = "ASC" if is_ascending else "DESC"
    return f"SELECT {_ALL} FROM audit {_where(filters)} ORDER BY seq {order} LIMIT :limit"


def all_entries(filters: Iterable[str]) -> str:
    """Every row that meets the filters, ascending, for an export."""
    return f"SELECT {_ALL} FROM audit {_where(filters)} ORDER BY seq"
