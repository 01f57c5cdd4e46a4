"""The schema, as sqlite-utils migrations. Never edit one that has shipped: add another."""

from __future__ import annotations

from scheduler.audit.guards import TRIGGERS
from scheduler.store.database import Database, Migrations
from scheduler.store.password_schema import PASSWORDS
from scheduler.store.plans_schema import PLANS
from scheduler.store.preview_schema import PREVIEWS
from scheduler.store.quality_schema import QUALITY
from scheduler.store.review_schema import REVIEWS
from scheduler.store.role_problem_schema import ROLE_PROBLEMS
from scheduler.store.uploads_schema import UPLOADS

migrations = Migrations("greenroom")

_FIRST = """
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


@migrations()
def first_tables(db: Database) -> None:
    """Tables of the first release."""
    for statement in _FIRST.split(";\n"):
        if statement.strip():
            db.conn.execute(statement)


_GUARDS = (
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


@migrations()
def guards_and_indexes(db: Database) -> None:
    """The log's triggers, the triggers that tie a job's state to the log, and indexes for what pages read."""
    for statement in (*_GUARDS, *TRIGGERS.values()):
        db.conn.execute(statement)


_HEALING = (
    "ALTER TABLE jobs ADD COLUMN rungs TEXT NOT NULL DEFAULT ''",  # the setting it has come down to; '': as asked
    "ALTER TABLE jobs ADD COLUMN offer TEXT NOT NULL DEFAULT ''",  # the setting that its requester is asked about
    "ALTER TABLE jobs ADD COLUMN offered_at REAL NOT NULL DEFAULT 0",
    "ALTER TABLE jobs ADD COLUMN asked TEXT",  # JSON: the settings as asked, once the recipe has others
    """
CREATE TABLE block_times (           -- learnt: seconds of computing per block
  model TEXT NOT NULL,
  size TEXT NOT NULL,                -- the real one, "384x256"
  steps INTEGER NOT NULL,
  device TEXT NOT NULL,
  typical_s REAL NOT NULL,           -- running mean of clipped deviations
  spread_s REAL NOT NULL,            -- mean absolute deviation
  slowest_s REAL NOT NULL,
  count INTEGER NOT NULL,
  at REAL NOT NULL,
  PRIMARY KEY (model, size, steps, device)
) STRICT, WITHOUT ROWID""",
)


@migrations()
def healing(db: Database) -> None:
    """What jobs gave up, what they are asked, and learnt block times."""
    for statement in _HEALING:
        db.conn.execute(statement)


@migrations()
def plans_and_rehearsals(db: Database) -> None:
    """Day plans, their checks, load rehearsals."""
    for statement in PLANS:
        db.conn.execute(statement)


_SAMPLE_MINUTES = (
    """
CREATE TABLE sample_minutes (        -- device readings added up by the minute, kept for five weeks
  device TEXT NOT NULL,
  minute INTEGER NOT NULL,           -- minutes since 1970
  readings INTEGER NOT NULL,
  memory_readings INTEGER NOT NULL,
  memory_sum_bytes REAL NOT NULL,
  memory_peak_bytes INTEGER,         -- NULL: not measured
  memory_total_bytes INTEGER,
  levels TEXT NOT NULL,              -- JSON: whole percent of memory in use → readings
  load_readings INTEGER NOT NULL,
  load_sum REAL NOT NULL,
  load_peak REAL,
  temperature_peak_c REAL,
  throttle INTEGER NOT NULL,         -- all reasons of the minute
  errors INTEGER NOT NULL,           -- error codes of the driver
  PRIMARY KEY (device, minute)
) STRICT, WITHOUT ROWID""",
    """
CREATE TABLE memory_shares (         -- who held a device's memory in a minute, at most
  device TEXT NOT NULL,
  minute INTEGER NOT NULL,
  owner TEXT NOT NULL,               -- weights, prepared, greenroom, job:<id>, parked
  peak_bytes INTEGER NOT NULL,
  PRIMARY KEY (device, minute, owner)
) STRICT, WITHOUT ROWID""",
)


@migrations()
def sample_minutes(db: Database) -> None:
    """Device history by the minute."""
    for statement in _SAMPLE_MINUTES:
        db.conn.execute(statement)


_ORDERING = (
    "ALTER TABLE jobs ADD COLUMN block_ms INTEGER NOT NULL DEFAULT 480",  # predicted milliseconds of a block
    "ALTER TABLE jobs ADD COLUMN deadline REAL",  # when it is wanted
    "ALTER TABLE jobs ADD COLUMN leased_at REAL NOT NULL DEFAULT 0",  # when its last lease began
)


@migrations()
def ordering(db: Database) -> None:
    """What the order of jobs needs: predicted seconds, deadlines, and since when a lease uses its slot."""
    for statement in _ORDERING:
        db.conn.execute(statement)


@migrations()
def reservations(db: Database) -> None:
    """Times of day that were promised to jobs."""
    db.conn.execute("ALTER TABLE jobs ADD COLUMN start_at REAL")  # reserved: it begins then, not before


@migrations()
def session_parts(db: Database) -> None:
    """Jobs that follow each other as parts of one session."""
    db.conn.execute("ALTER TABLE jobs ADD COLUMN follows TEXT NOT NULL DEFAULT ''")  # the job whose end lets it begin


_FORECASTS = (
    """
CREATE TABLE forecasts (             -- what people were told of a job, and what the forecast was made of
  job_id TEXT NOT NULL REFERENCES jobs(id),
  at REAL NOT NULL,                  -- when it was made; all times in seconds since 1970
  seq INTEGER NOT NULL,              -- of the log, as far as it had been read
  runs INTEGER NOT NULL,             -- finished jobs that it was learnt from
  start_p10 REAL NOT NULL,
  start_p50 REAL NOT NULL,
  start_p90 REAL NOT NULL,
  finish_p10 REAL NOT NULL,
  finish_p50 REAL NOT NULL,
  finish_p90 REAL NOT NULL,
  basis TEXT NOT NULL,               -- JSON: middle and spread before correction, load
  PRIMARY KEY (job_id, at)
) STRICT, WITHOUT ROWID""",
    "CREATE INDEX forecasts_at ON forecasts(at)",
)


@migrations()
def forecasts(db: Database) -> None:
    """Forecasts, to be held against what happens."""
    for statement in _FORECASTS:
        db.conn.execute(statement)


@migrations()
def quality(db: Database) -> None:
    """Scores of finished videos."""
    for statement in QUALITY:
        db.conn.execute(statement)


@migrations()
def uploads(db: Database) -> None:
    """Portraits and voices that people brought."""
    for statement in UPLOADS:
        db.conn.execute(statement)


@migrations()
def reviews(db: Database) -> None:
    """Notes on videos and verdicts."""
    for statement in REVIEWS:
        db.conn.execute(statement)


@migrations()
def passwords(db: Database) -> None:
    """Hashes of passwords."""
    for statement in PASSWORDS:
        db.conn.execute(statement)


@migrations()
def previews(db: Database) -> None:
    """Jobs that wait for the approval of a preview, and the group of who acted."""
    for statement in PREVIEWS:
        db.conn.execute(statement)


@migrations()
def role_problems(db: Database) -> None:
    """Codes instead of sentences for why a role takes no work."""
    for statement in ROLE_PROBLEMS:
        db.conn.execute(statement)
