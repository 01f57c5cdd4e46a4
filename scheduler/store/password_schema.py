"""The table of passwords: hashes only, one per person, never without an audit row."""

from __future__ import annotations

_AUDITED = """NOT EXISTS (
  SELECT 1 FROM audit WHERE seq = (SELECT max(seq) FROM audit) AND object = 'user:' || {row}.user AND action = '{action}')"""

PASSWORDS = (
    """
CREATE TABLE passwords (
  user TEXT PRIMARY KEY REFERENCES users(name),
  hash TEXT NOT NULL CHECK (hash GLOB 'scrypt:[0-9]*:[0-9]*:[0-9]*$*$*' AND length(hash) BETWEEN 140 AND 300),
  changed_at REAL NOT NULL           -- seconds since 1970
) STRICT, WITHOUT ROWID""",
    *(
        f"""
CREATE TRIGGER passwords_need_an_audit_row_{word} BEFORE {word.upper()} ON passwords
BEGIN SELECT RAISE(ABORT, 'a password changes only together with its audit row')
  WHERE {_AUDITED.format(row=row, action=action)}; END"""
        for word, row, action in (
            ("insert", "NEW", "password:chosen"), ("update", "NEW", "password:chosen"), ("delete", "OLD", "password:removed"),
        )
    ),
)  # fmt: skip
