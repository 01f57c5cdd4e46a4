"""What keeps the log append-only: triggers in the database, an authorizer on the writer's connection.

The triggers hold against every connection that leaves the schema alone; the authorizer keeps our own code from
touching the schema. Whoever can write the file can remove both: that is what the chain and the head outside the
database are for.
"""

from __future__ import annotations

import sqlite3

TRIGGERS: dict[str, str] = {
    "audit_is_never_updated": """
CREATE TRIGGER audit_is_never_updated BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'audit rows are never changed'); END""",
    "audit_is_never_deleted": """
CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'audit rows are never deleted'); END""",
    "audit_is_linked": """
CREATE TRIGGER audit_is_linked BEFORE INSERT ON audit
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM audit)
  OR NEW.prev IS NOT coalesce((SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), zeroblob(32))
  OR length(NEW.hash) IS NOT 32
BEGIN SELECT RAISE(ABORT, 'an audit row continues the chain'); END""",
}

_SCHEMA_CHANGES = frozenset({
    sqlite3.SQLITE_DROP_TABLE, sqlite3.SQLITE_DROP_INDEX, sqlite3.SQLITE_DROP_TRIGGER, sqlite3.SQLITE_DROP_VIEW,
    sqlite3.SQLITE_DROP_TEMP_TABLE, sqlite3.SQLITE_DROP_TEMP_INDEX, sqlite3.SQLITE_DROP_TEMP_TRIGGER,
    sqlite3.SQLITE_DROP_TEMP_VIEW, sqlite3.SQLITE_ALTER_TABLE, sqlite3.SQLITE_CREATE_TRIGGER,
    sqlite3.SQLITE_CREATE_TEMP_TRIGGER, sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH,
})  # fmt: skip
_KEPT_PRAGMAS = frozenset({
    "writable_schema", "journal_mode", "synchronous", "foreign_keys", "recursive_triggers", "ignore_check_constraints",
    "defer_foreign_keys", "locking_mode", "trusted_schema",
})  # fmt: skip
_SCHEMA_TABLES = frozenset({"sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema"})


def authorize(action: int, first: str | None, second: str | None, database: str | None, trigger: str | None) -> int:
    """SQLite authorizer of the writer: no schema change, no UPDATE or DELETE on audit, no pragma that weakens it."""
    if action in _SCHEMA_CHANGES:
        return sqlite3.SQLITE_DENY
    if action in (sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE) and first in ("audit", *_SCHEMA_TABLES):
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_PRAGMA and first in _KEPT_PRAGMAS and second is not None:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def missing_guards(connection: sqlite3.Connection) -> list[str]:
    """Names of audit triggers that the database lacks or has in another wording."""
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    found = {_text(name): _text(sql) for name, sql in rows}
    return [name for name, sql in TRIGGERS.items() if found.get(name, "").strip() != sql.strip()]


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
