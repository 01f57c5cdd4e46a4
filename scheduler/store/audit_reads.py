"""Reading the log: stories, filtered pages, the feed's tail, exports. Entries are `scheduler.audit.AuditEntry`."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from typing import Any, cast

from scheduler.audit.chain import Link
from scheduler.audit.entry import ACTOR_GROUP, AuditEntry, utc_text
from scheduler.audit.export_format import export_lines
from scheduler.store.reads import MAX_PER_PAGE, Reads, Row, checked_page, like_pattern
from scheduler.store.sql import audit as sql

MAX_FEED = 1000


class AuditReads(Reads):
    """The log and what is read off it."""

    def last_seq(self) -> int:
        """Seq of the newest row, 0 for an empty log."""
        return int(self._value(sql.SELECT_LAST_SEQ))

    def last_time(self) -> float:
        """When the newest row was written, 0 for an empty log: no clock may go back behind it."""
        entry = self.audit_entry(self.last_seq())
        return 0.0 if entry is None else datetime.datetime.fromisoformat(entry["at_utc"]).timestamp()

    def audit_entry(self, seq: int) -> AuditEntry | None:
        """One row, or None."""
        row = self._row(sql.SELECT_ENTRY, (seq,))
        return None if row is None else _entry(row)

    def audit_after(self, seq: int, limit: int = MAX_FEED) -> list[AuditEntry]:
        """The rows after `seq`, oldest first, at most `limit`: what a feed sends next."""
        return [_entry(row) for row in self._rows(sql.SELECT_AFTER, (seq, max(0, limit)))]

    def story(self, subject: str) -> list[AuditEntry]:
        """All rows of one object, oldest first. A job's id may stand without its "job:"."""
        return [_entry(row) for row in self._rows(sql.SELECT_STORY, (subject, subject))]

    def audit(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        object: str | None = None,
        outcome: str | None = None,
        since: float | str | None = None,
        until: float | str | None = None,
        text: str | None = None,
        before_seq: int | None = None,
        after_seq: int | None = None,
        limit: int = 50,
        group: str | None = None,
    ) -> list[AuditEntry]:
        """Rows that meet all the filters, newest first (oldest first with `after_seq`).

        `group`: that the acting person was in. `action` may hold wildcards (`job:*`); `since` (included) and `until` (not
        included): seconds since 1970 or UTC text; `text`: in object, actor, action or body. The next page has `before_seq` = the
        smallest seq of this one. BadQuery.
        """
        checked_page(1, limit)
        params = _params(actor, action, object, outcome, since, until, text, before_seq, after_seq, group)
        is_ascending = after_seq is not None and before_seq is None
        statement = sql.page_of_entries(params, is_ascending=is_ascending)
        return [_entry(row) for row in self._rows(statement, {**params, "limit": limit})]

    def export_audit(self, format: str = "jsonl", **filters: Any) -> Iterator[str]:
        """The lines of an export.

        Filters as in `audit`, without any the export is complete and can be verified alone.
        """
        names = ("actor", "action", "object", "outcome", "since", "until", "text", "before_seq", "after_seq", "group")
        unknown = set(filters) - set(names)
        if unknown:
            raise TypeError(f"unknown filters: {', '.join(sorted(unknown))}")
        params = _params(*(filters.get(name) for name in names))
        last = self.last_seq()
        row = self._row(sql.SELECT_ENTRY, (last,))
        link = Link(last, row["hash"]) if row else Link()
        is_complete = not params
        params = {**params, "before_seq": min(last + 1, params.get("before_seq", last + 1))}
        return export_lines(self._each(sql.all_entries(params), params), link, format, is_complete=is_complete)

    def recent_errors(self, limit: int = 5) -> list[Row]:
        """The newest rows of outcome `failure`, with their job's error where there is one.

        Keys: seq, at_utc, action, object, actor, body (data), role, user, error_code, error_message, error_hint.
        """
        rows = self._rows(sql.SELECT_RECENT_ERRORS, (min(limit, MAX_PER_PAGE),))
        return [{**row, "body": json.loads(row["body"])} for row in rows]

    def last_entry_of(self, subject: str, action: str) -> AuditEntry | None:
        """The newest row of an object with this tag, or None."""
        row = self._row(sql.SELECT_LAST_OF, (subject, action))
        return None if row is None else _entry(row)


def _entry(row: Row) -> AuditEntry:
    body = json.loads(row["body"])
    hashes = {"prev": row["prev"].hex(), "hash": row["hash"].hex()}
    return cast(AuditEntry, {**row, "body": body, "actor_group": body.get(ACTOR_GROUP), **hashes})


def _params(
    actor: str | None, action: str | None, subject: str | None, outcome: str | None, since: float | str | None,
    until: float | str | None, text: str | None, before_seq: int | None, after_seq: int | None, group: str | None,
) -> dict[str, Any]:  # fmt: skip
    """The filters that were given, as parameters; their names choose the conditions."""
    is_success = outcome == "success"  # an index leaves successes out, so the others have a condition of their own
    given = {
        "actor": actor, "action": action, "object": subject, "outcome": outcome if is_success else None,
        "trouble": None if is_success else outcome,
        "since": _time(since), "until": _time(until), "text": like_pattern(text) if text else None,
        "before_seq": before_seq, "after_seq": after_seq, "group": group,
    }  # fmt: skip
    return {name: value for name, value in given.items() if value is not None}


def _time(value: float | str | None) -> str | None:
    return utc_text(value) if isinstance(value, int | float) else value
