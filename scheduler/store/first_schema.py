"""The tables of the first release: jobs, blocks, roles, samples, people, the log."""

from __future__ import annotations

_TABLES = """
CREATE TABLE jobs (
  id TEXT PRIMARY KEY,               -- "j" + 12 characters of the time-ordered id
  ordinal INTEGER NOT NULL UNIQUE,   -- order of acceptance
  user TEXT NOT NULL,
  team TEXT NOT NULL,
  role TEXT NOT NULL,
  role_version INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  state TEXT NOT NULL,
  hold TEXT,                         -- why it is queued (HoldReason)
  hold_detail TEXT,                  -- JSON data of the hold
  is_cancel_requested INTEGER NOT NULL DEFAULT 0,
  is_paused INTEGER NOT NULL DEFAULT 0,
  degrade TEXT NOT NULL,
  total_blocks INTEGER NOT NULL,
  blocks_done INTEGER NOT NULL DEFAULT 0,
  context_bytes INTEGER NOT NULL,
  preemptions INTEGER NOT NULL DEFAULT 0,
  crashes INTEGER NOT NULL DEFAULT 0,
  slot INTEGER,
  lease_id TEXT,
  lease_until REAL NOT NULL DEFAULT 0,
  not_before REAL NOT NULL DEFAULT 0,
  submitted_at REAL NOT NULL,        -- seconds since 1970, the daemon's clock
  started_at REAL,
  finished_at REAL,
  resume TEXT,                       -- how it was last taken up: fresh, exact, continuous
  width INTEGER,
  height INTEGER,
  frames INTEGER,
  video_path TEXT,
  video_sha256 TEXT,
  video_bytes INTEGER,
  recipe TEXT NOT NULL,              -- JSON, engine.config.Recipe
  again_of TEXT,                     -- the job whose recipe this one repeats
  error_code TEXT,
  error_message TEXT,
  error_hint TEXT
) STRICT;
CREATE INDEX jobs_state ON jobs(state);
CREATE INDEX jobs_user ON jobs(user, ordinal);
CREATE INDEX jobs_role ON jobs(role, ordinal);

CREATE TABLE blocks (
  job_id TEXT NOT NULL REFERENCES jobs(id),
  block INTEGER NOT NULL,
  lease_id TEXT NOT NULL,
  frames INTEGER NOT NULL,
  seconds REAL NOT NULL,
  latents_sha256 TEXT NOT NULL,
  frames_sha256 TEXT NOT NULL,
  fragment_sha256 TEXT NOT NULL,
  fragment_bytes INTEGER NOT NULL,
  stage_ms TEXT NOT NULL,            -- JSON
  peak_bytes INTEGER NOT NULL,
  made_at REAL NOT NULL,
  PRIMARY KEY (job_id, block)
) STRICT, WITHOUT ROWID;

CREATE TABLE segments (
  job_id TEXT NOT NULL REFERENCES jobs(id),
  segment INTEGER NOT NULL,
  path TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  frames INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY (job_id, segment)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency_keys (
  actor TEXT NOT NULL,
  key TEXT NOT NULL,
  request_sha256 TEXT NOT NULL,      -- the same key with another request is an error
  job_id TEXT NOT NULL REFERENCES jobs(id),
  PRIMARY KEY (actor, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE roles (
  name TEXT NOT NULL,
  version INTEGER NOT NULL,          -- 1, 2, … every version is kept
  sha256 TEXT NOT NULL,              -- of the canonical body
  body TEXT NOT NULL,                -- JSON: the role as checked, assets by hash
  created_at REAL NOT NULL,
  PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE current_roles (
  name TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  is_available INTEGER NOT NULL,
  problem TEXT                       -- why it is not available
) STRICT, WITHOUT ROWID;

CREATE TABLE assets (
  sha256 TEXT PRIMARY KEY,
  kind TEXT NOT NULL,                -- portrait, voice
  bytes INTEGER NOT NULL,
  verdict TEXT NOT NULL,             -- JSON: what the check found (engine.media.probe)
  added_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE samples (               -- device readings, 1 Hz, thinned after a day
  at REAL NOT NULL,
  device TEXT NOT NULL,
  body TEXT NOT NULL,                -- JSON: memory_used_bytes, temperature_c …; missing = not measured
  PRIMARY KEY (at, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
  name TEXT PRIMARY KEY,
  "group" TEXT NOT NULL,             -- a name in rights.yaml
  team TEXT NOT NULL,
  session_version INTEGER NOT NULL DEFAULT 1,
  created_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE login_links (
  token_sha256 TEXT PRIMARY KEY,
  user TEXT NOT NULL,
  expires_at REAL NOT NULL,
  used_at REAL
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
  token_sha256 TEXT PRIMARY KEY,
  user TEXT NOT NULL,
  label TEXT NOT NULL,
  created_at REAL NOT NULL,
  revoked_at REAL
) STRICT, WITHOUT ROWID;

CREATE TABLE facts (                 -- single facts: queue_paused, vault, versions …
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL,               -- JSON
  at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
  seq INTEGER PRIMARY KEY,
  at_utc TEXT NOT NULL,              -- 2026-11-21T09:00:00.000000Z
  mono_ns INTEGER NOT NULL,
  boot_id TEXT NOT NULL,
  actor TEXT NOT NULL,               -- "user:<name>", "local", "system"
  action TEXT NOT NULL,              -- tag, subject:verb-past
  object TEXT NOT NULL,              -- "job:<id>", "role:<name>", "slot:<n>", "queue", …
  outcome TEXT NOT NULL,             -- success, failure, refused
  address TEXT NOT NULL,             -- of the caller, "" for the system
  request_id TEXT NOT NULL,
  body TEXT NOT NULL,                -- canonical JSON
  prev BLOB NOT NULL,
  hash BLOB NOT NULL
) STRICT;
CREATE INDEX audit_object ON audit(object, seq);
"""

FIRST = tuple(statement for statement in _TABLES.split(";\n") if statement.strip())
