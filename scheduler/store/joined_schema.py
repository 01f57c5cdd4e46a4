"""The table of sessions' videos and what guards it: one row per session, with its audit row, changed once at most, kept."""

from __future__ import annotations

_AUDITED = """NOT EXISTS (
  SELECT 1 FROM audit WHERE seq = (SELECT max(seq) FROM audit) AND object = 'job:' || NEW.last_job
  AND action = 'session:' || NEW.state)"""

JOINED = (
    """
CREATE TABLE joined (                -- sessions whose last part has succeeded: the one video of all parts
  last_job TEXT PRIMARY KEY REFERENCES jobs(id),
  first_job TEXT NOT NULL REFERENCES jobs(id),
  state TEXT NOT NULL CHECK (state IN ('joined', 'unjoined')),
  tries INTEGER NOT NULL CHECK (tries BETWEEN 1 AND 2),
  at REAL NOT NULL,                  -- when it was joined; seconds since 1970
  took_s REAL NOT NULL,              -- how long that took
  path TEXT,                         -- of the video, inside the data directory
  sha256 TEXT,
  bytes INTEGER,
  frames INTEGER,
  seconds REAL,
  width INTEGER,
  height INTEGER,
  is_copied INTEGER,                 -- 1: the parts' own pictures and sound; 0: encoded again, as they differ in size
  parts TEXT,                        -- [{"job", "start_s", "frames"}], in order
  code TEXT,                         -- why there is no video
  message TEXT
) STRICT, WITHOUT ROWID""",
    "CREATE INDEX jobs_follows ON jobs(follows) WHERE follows != ''",
    "CREATE INDEX joined_again ON joined(at) WHERE state = 'unjoined'",
    f"""
CREATE TRIGGER joined_needs_an_audit_row BEFORE INSERT ON joined
BEGIN SELECT RAISE(ABORT, 'a session is joined only together with its audit row') WHERE NEW.tries IS NOT 1 OR {_AUDITED}; END""",
    f"""
CREATE TRIGGER joined_is_never_changed BEFORE UPDATE ON joined
BEGIN SELECT RAISE(ABORT, 'only what could not be joined is tried again, together with its audit row')
  WHERE OLD.state IS NOT 'unjoined' OR NEW.last_job IS NOT OLD.last_job OR NEW.tries IS NOT OLD.tries + 1 OR {_AUDITED}; END""",
    """
CREATE TRIGGER joined_is_never_deleted BEFORE DELETE ON joined
BEGIN SELECT RAISE(ABORT, 'what was joined is never forgotten'); END""",
)
