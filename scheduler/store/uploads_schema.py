"""The tables of what people brought: whose file it is, and which jobs were made with it. A file itself is a row of `assets`."""

from __future__ import annotations

UPLOADS = (
    """
CREATE TABLE uploads (               -- portraits and voices that people brought; the same content of two people: two rows
  actor TEXT NOT NULL,               -- who brought it, as the log names them
  sha256 TEXT NOT NULL REFERENCES assets(sha256),
  name TEXT NOT NULL,                -- what the file was called
  at REAL NOT NULL,                  -- when it was last brought; seconds since 1970
  PRIMARY KEY (actor, sha256)
) STRICT, WITHOUT ROWID""",
    """
CREATE TABLE upload_uses (           -- jobs that were submitted with a file of their own
  sha256 TEXT NOT NULL,
  job_id TEXT NOT NULL REFERENCES jobs(id),
  PRIMARY KEY (sha256, job_id)
) STRICT, WITHOUT ROWID""",
    "CREATE INDEX uploads_sha256 ON uploads(sha256)",
    """
CREATE TRIGGER uploads_need_an_audit_row BEFORE INSERT ON uploads
BEGIN SELECT RAISE(ABORT, 'a file is taken in only together with its audit row') WHERE NOT EXISTS (
  SELECT 1 FROM audit WHERE seq = (SELECT max(seq) FROM audit) AND object = 'asset:' || NEW.sha256
  AND action = 'upload:added'); END""",
    """
CREATE TRIGGER removed_uploads_need_an_audit_row BEFORE DELETE ON uploads
BEGIN SELECT RAISE(ABORT, 'a file is removed only together with its audit row') WHERE NOT EXISTS (
  SELECT 1 FROM audit WHERE seq = (SELECT max(seq) FROM audit) AND object = 'asset:' || OLD.sha256
  AND action = 'upload:removed'); END""",
)
