"""The table of scores and what guards it: one row per job, with its audit row, changed at most once, never deleted."""

from __future__ import annotations

_AUDITED = """NOT EXISTS (
  SELECT 1 FROM audit WHERE seq = (SELECT max(seq) FROM audit) AND object = 'job:' || NEW.job_id
  AND action = 'quality:' || NEW.state)"""

QUALITY = (
    """
CREATE TABLE quality (               -- how good finished videos are: measured from the file, docs/pocket.md
  job_id TEXT PRIMARY KEY REFERENCES jobs(id),
  state TEXT NOT NULL CHECK (state IN ('measured', 'failed')),
  tries INTEGER NOT NULL CHECK (tries BETWEEN 1 AND 2),
  at REAL NOT NULL,                  -- when it was measured; seconds since 1970
  took_s REAL NOT NULL,              -- how long that took
  has_portrait INTEGER NOT NULL,     -- sharpness was held against the portrait, else against the video's sharpest tenth
  seconds REAL,                      -- of video; scores: shares 0..1, levels relative to white; NULL: cannot be told
  lip_offset_s REAL,                 -- positive: the mouth comes after the sound
  lip_correlation REAL,
  blurred_ratio REAL,
  frozen_ratio REAL,
  longest_freeze_s REAL,
  flicker REAL,
  identity_drift REAL,
  loudness_db REAL,
  code TEXT,                         -- why it could not be measured
  message TEXT
) STRICT, WITHOUT ROWID""",
    f"""
CREATE TRIGGER scores_need_an_audit_row BEFORE INSERT ON quality
BEGIN SELECT RAISE(ABORT, 'scores are kept only together with their audit row') WHERE NEW.tries IS NOT 1 OR {_AUDITED}; END""",
    f"""
CREATE TRIGGER scores_are_never_changed BEFORE UPDATE ON quality
BEGIN SELECT RAISE(ABORT, 'only a measurement that failed is tried again, together with its audit row')
  WHERE OLD.state IS NOT 'failed' OR NEW.job_id IS NOT OLD.job_id OR NEW.tries IS NOT OLD.tries + 1 OR {_AUDITED}; END""",
    """
CREATE TRIGGER scores_are_never_deleted BEFORE DELETE ON quality
BEGIN SELECT RAISE(ABORT, 'scores are never deleted'); END""",
)
