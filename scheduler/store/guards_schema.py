"""What ties a job's state to the log, sums that a trigger keeps, and indexes for what pages read."""

from __future__ import annotations

GUARDS = (
    "ALTER TABLE jobs ADD COLUMN leases INTEGER NOT NULL DEFAULT 0",  # leases ever granted
    "ALTER TABLE jobs ADD COLUMN retries INTEGER NOT NULL DEFAULT 0",  # failures in a row that were tried again
    """
CREATE TABLE role_totals (           -- sums over blocks, kept by a trigger so that a page need not add up millions
  role TEXT PRIMARY KEY,
  blocks INTEGER NOT NULL,
  block_seconds REAL NOT NULL,
  frames INTEGER NOT NULL
) STRICT, WITHOUT ROWID""",
    "CREATE INDEX jobs_search ON jobs(ordinal, id, user, team, role, state)",
    "CREATE INDEX jobs_role_state ON jobs(role, state)",
    "CREATE INDEX jobs_priority ON jobs(priority, ordinal)",
    "CREATE INDEX jobs_finished ON jobs(finished_at, ordinal)",
    "CREATE INDEX audit_action ON audit(action, seq)",
    "CREATE INDEX audit_actor ON audit(actor, seq)",
    "CREATE INDEX audit_at ON audit(at_utc)",
    "CREATE INDEX audit_trouble ON audit(outcome, seq) WHERE outcome != 'success'",
    """
CREATE TRIGGER job_moves_need_an_audit_row BEFORE UPDATE OF state ON jobs WHEN NEW.state IS NOT OLD.state
BEGIN SELECT RAISE(ABORT, 'a job changes state only together with its audit row') WHERE NOT EXISTS (
  SELECT 1 FROM audit WHERE seq = (SELECT max(seq) FROM audit) AND object = 'job:' || NEW.id
  AND json_extract(body, '$.from') IS OLD.state AND json_extract(body, '$.to') IS NEW.state); END""",
    """
CREATE TRIGGER new_jobs_need_an_audit_row BEFORE INSERT ON jobs
BEGIN SELECT RAISE(ABORT, 'a job is accepted only together with its audit row') WHERE NEW.state IS NOT 'SUBMITTED'
  OR NOT EXISTS (
  SELECT 1 FROM audit WHERE seq = (SELECT max(seq) FROM audit) AND object = 'job:' || NEW.id); END""",
    """
CREATE TRIGGER jobs_keep_their_identity BEFORE UPDATE OF id, ordinal, user, role, role_version, submitted_at ON jobs
BEGIN SELECT RAISE(ABORT, 'these facts of a job never change'); END""",
    """
CREATE TRIGGER jobs_are_never_deleted BEFORE DELETE ON jobs
BEGIN SELECT RAISE(ABORT, 'jobs are never deleted'); END""",
    """
CREATE TRIGGER blocks_are_never_changed BEFORE UPDATE ON blocks
BEGIN SELECT RAISE(ABORT, 'blocks are never changed'); END""",
    """
CREATE TRIGGER blocks_are_added_up AFTER INSERT ON blocks
BEGIN INSERT INTO role_totals (role, blocks, block_seconds, frames)
  SELECT role, 1, NEW.seconds, NEW.frames FROM jobs WHERE id = NEW.job_id
  ON CONFLICT (role) DO UPDATE SET
    blocks = blocks + 1, block_seconds = block_seconds + excluded.block_seconds,
    frames = frames + excluded.frames; END""",
)
