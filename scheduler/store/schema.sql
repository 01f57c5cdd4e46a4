CREATE TRIGGER audit_is_linked BEFORE INSERT ON audit
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM audit)
  OR NEW.prev IS NOT coalesce((SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), zeroblob(32))
  OR length(NEW.hash) IS NOT 32
BEGIN SELECT RAISE(ABORT, 'an audit row continues the chain'); END;

CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'audit rows are never deleted'); END;

CREATE TRIGGER audit_is_never_updated BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'audit rows are never changed'); END;

CREATE TRIGGER blocks_are_added_up AFTER INSERT ON blocks
BEGIN INSERT INTO role_totals (role, blocks, block_seconds, frames)
  SELECT role, 1, NEW.seconds, NEW.frames FROM jobs WHERE id = NEW.job_id
  ON CONFLICT (role) DO UPDATE SET
    blocks = blocks + 1, block_seconds = block_seconds + excluded.block_seconds,
    frames = frames + excluded.frames; END;

CREATE TRIGGER blocks_are_never_changed BEFORE UPDATE ON blocks
BEGIN SELECT RAISE(ABORT, 'blocks are never changed'); END;

CREATE TRIGGER job_moves_need_an_audit_row BEFORE UPDATE OF state ON jobs WHEN NEW.state IS NOT OLD.state
BEGIN SELECT RAISE(ABORT, 'a job changes state only together with its audit row') WHERE NOT EXISTS (
  SELECT 1 FROM audit WHERE seq = (SELECT max(seq) FROM audit) AND object = 'job:' || NEW.id
  AND json_extract(body, '$.from') IS OLD.state AND json_extract(body, '$.to') IS NEW.state); END;

CREATE TRIGGER jobs_are_never_deleted BEFORE DELETE ON jobs
BEGIN SELECT RAISE(ABORT, 'jobs are never deleted'); END;

CREATE TRIGGER jobs_keep_their_identity BEFORE UPDATE OF id, ordinal, user, role, role_version, submitted_at ON jobs
BEGIN SELECT RAISE(ABORT, 'these facts of a job never change'); END;

CREATE TRIGGER joined_is_never_changed BEFORE UPDATE ON joined
BEGIN SELECT RAISE(ABORT, 'only what could not be joined is tried again, together with its audit row')
  WHERE OLD.state IS NOT 'unjoined' OR NEW.last_job IS NOT OLD.last_job OR NEW.tries IS NOT OLD.tries + 1 OR NOT EXISTS (
  SELECT 1 FROM audit WHERE seq = (SELECT max(seq) FROM audit) AND object = 'job:' || NEW.last_job
  AND action = 'session:' || NEW.state); END;

CREATE TRIGGER joined_is_never_deleted BEFORE DELETE ON joined
BEGIN SELECT RAISE(ABORT, 'what was joined is never forgotten'); END;

CREATE TRIGGER joined_needs_an_audit_row BEFORE INSERT ON joined
BEGIN SELECT RAISE(ABORT, 'a session is joined only together with its audit row') WHERE NEW.tries IS NOT 1 OR NOT EXISTS (
  SELECT 1 FROM audit WHERE seq = (SELECT max(seq) FROM audit) AND object = 'job:' || NEW.last_job
  AND action = 'session:' || NEW.state); END;

CREATE TRIGGER new_jobs_need_an_audit_row BEFORE INSERT ON jobs
BEGIN SELECT RAISE(ABORT, 'a job is accepted only together with its audit row') WHERE NEW.state IS NOT 'SUBMITTED'
  OR NOT EXISTS (
  SELECT 1 FROM audit WHERE seq = (SELECT max(seq) FROM audit) AND object = 'job:' || NEW.id); END;

CREATE TRIGGER notes_are_never_deleted BEFORE DELETE ON notes
BEGIN SELECT RAISE(ABORT, 'notes are retracted, never deleted'); END;

CREATE TRIGGER notes_keep_their_words BEFORE UPDATE ON notes
BEGIN SELECT RAISE(ABORT, 'a note changes only its state, together with its audit row; retracted is the end')
  WHERE OLD.state IS 'retracted' OR NEW.state IS OLD.state OR NEW.id IS NOT OLD.id OR NEW.job_id IS NOT OLD.job_id
  OR NEW.answers IS NOT OLD.answers OR NEW.video_s IS NOT OLD.video_s OR NEW.author IS NOT OLD.author OR NEW.at IS NOT OLD.at
  OR NEW.text IS NOT iif(NEW.state IS 'retracted', '', OLD.text) OR NOT EXISTS (
  SELECT 1 FROM audit WHERE seq = (SELECT max(seq) FROM audit) AND object = 'job:' || NEW.job_id
  AND action = 'note:' || iif(NEW.state IS 'open', 'reopened', NEW.state) AND json_extract(body, '$.number') IS NEW.id); END;

CREATE TRIGGER notes_need_an_audit_row BEFORE INSERT ON notes
BEGIN SELECT RAISE(ABORT, 'a note is kept only together with its audit row') WHERE NEW.state IS NOT 'open' OR NOT EXISTS (
  SELECT 1 FROM audit WHERE seq = (SELECT max(seq) FROM audit) AND object = 'job:' || NEW.job_id
  AND action = 'note:written' AND json_extract(body, '$.number') IS NEW.id); END;

CREATE TRIGGER passwords_need_an_audit_row_delete BEFORE DELETE ON passwords
BEGIN SELECT RAISE(ABORT, 'a password changes only together with its audit row')
  WHERE NOT EXISTS (
  SELECT 1 FROM audit WHERE seq = (SELECT max(seq) FROM audit) AND object = 'user:' || OLD.user AND action = 'password:removed'); END;

CREATE TRIGGER passwords_need_an_audit_row_insert BEFORE INSERT ON passwords
BEGIN SELECT RAISE(ABORT, 'a password changes only together with its audit row')
  WHERE NOT EXISTS (
  SELECT 1 FROM audit WHERE seq = (SELECT max(seq) FROM audit) AND object = 'user:' || NEW.user AND action = 'password:chosen'); END;

CREATE TRIGGER passwords_need_an_audit_row_update BEFORE UPDATE ON passwords
BEGIN SELECT RAISE(ABORT, 'a password changes only together with its audit row')
  WHERE NOT EXISTS (
  SELECT 1 FROM audit WHERE seq = (SELECT max(seq) FROM audit) AND object = 'user:' || NEW.user AND action = 'password:chosen'); END;

CREATE TRIGGER removed_uploads_need_an_audit_row BEFORE DELETE ON uploads
BEGIN SELECT RAISE(ABORT, 'a file is removed only together with its audit row') WHERE NOT EXISTS (
  SELECT 1 FROM audit WHERE seq = (SELECT max(seq) FROM audit) AND object = 'asset:' || OLD.sha256
  AND action = 'upload:removed'); END;

CREATE TRIGGER scores_are_never_changed BEFORE UPDATE ON quality
BEGIN SELECT RAISE(ABORT, 'only a measurement that failed is tried again, together with its audit row')
  WHERE OLD.state IS NOT 'failed' OR NEW.job_id IS NOT OLD.job_id OR NEW.tries IS NOT OLD.tries + 1 OR NOT EXISTS (
  SELECT 1 FROM audit WHERE seq = (SELECT max(seq) FROM audit) AND object = 'job:' || NEW.job_id
  AND action = 'quality:' || NEW.state); END;

CREATE TRIGGER scores_are_never_deleted BEFORE DELETE ON quality
BEGIN SELECT RAISE(ABORT, 'scores are never deleted'); END;

CREATE TRIGGER scores_need_an_audit_row BEFORE INSERT ON quality
BEGIN SELECT RAISE(ABORT, 'scores are kept only together with their audit row') WHERE NEW.tries IS NOT 1 OR NOT EXISTS (
  SELECT 1 FROM audit WHERE seq = (SELECT max(seq) FROM audit) AND object = 'job:' || NEW.job_id
  AND action = 'quality:' || NEW.state); END;

CREATE TRIGGER uploads_need_an_audit_row BEFORE INSERT ON uploads
BEGIN SELECT RAISE(ABORT, 'a file is taken in only together with its audit row') WHERE NOT EXISTS (
  SELECT 1 FROM audit WHERE seq = (SELECT max(seq) FROM audit) AND object = 'asset:' || NEW.sha256
  AND action = 'upload:added'); END;

CREATE TRIGGER verdicts_are_never_deleted BEFORE DELETE ON verdicts
BEGIN SELECT RAISE(ABORT, 'a verdict is followed by another, never deleted'); END;

CREATE TRIGGER verdicts_need_an_audit_row_insert BEFORE INSERT ON verdicts
BEGIN SELECT RAISE(ABORT, 'a verdict is kept only together with its audit row, one after the other')
  WHERE NEW.number IS NOT 1 OR NOT EXISTS (
  SELECT 1 FROM audit WHERE seq = (SELECT max(seq) FROM audit) AND object = 'job:' || NEW.job_id
  AND action = 'video:' || NEW.verdict AND json_extract(body, '$.number') IS NEW.number); END;

CREATE TRIGGER verdicts_need_an_audit_row_update BEFORE UPDATE ON verdicts
BEGIN SELECT RAISE(ABORT, 'a verdict is kept only together with its audit row, one after the other')
  WHERE NEW.number IS NOT OLD.number + 1 OR NOT EXISTS (
  SELECT 1 FROM audit WHERE seq = (SELECT max(seq) FROM audit) AND object = 'job:' || NEW.job_id
  AND action = 'video:' || NEW.verdict AND json_extract(body, '$.number') IS NEW.number); END;

CREATE TABLE assets (
  sha256 TEXT PRIMARY KEY,
  kind TEXT NOT NULL,                -- portrait, voice
  bytes INTEGER NOT NULL,
  verdict TEXT NOT NULL,             -- JSON: what the check found (engine.media.probe)
  added_at REAL NOT NULL
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
) STRICT, WITHOUT ROWID;

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

CREATE TABLE current_roles (
  name TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  is_available INTEGER NOT NULL,
  problem TEXT                       -- why it is not available
) STRICT, WITHOUT ROWID;

CREATE TABLE facts (                 -- single facts: queue_paused, vault, versions …
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL,               -- JSON
  at REAL NOT NULL
) STRICT, WITHOUT ROWID;

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
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency_keys (
  actor TEXT NOT NULL,
  key TEXT NOT NULL,
  request_sha256 TEXT NOT NULL,      -- the same key with another request is an error
  job_id TEXT NOT NULL REFERENCES jobs(id),
  PRIMARY KEY (actor, key)
) STRICT, WITHOUT ROWID;

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
, leases INTEGER NOT NULL DEFAULT 0, retries INTEGER NOT NULL DEFAULT 0, rungs TEXT NOT NULL DEFAULT '', offer TEXT NOT NULL DEFAULT '', offered_at REAL NOT NULL DEFAULT 0, asked TEXT, block_ms INTEGER NOT NULL DEFAULT 480, deadline REAL, leased_at REAL NOT NULL DEFAULT 0, start_at REAL, follows TEXT NOT NULL DEFAULT '', preview TEXT NOT NULL DEFAULT '', preview_end TEXT NOT NULL DEFAULT '', approved_at REAL, freed_at REAL NOT NULL DEFAULT 0) STRICT;

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
) STRICT, WITHOUT ROWID;

CREATE TABLE login_links (
  token_sha256 TEXT PRIMARY KEY,
  user TEXT NOT NULL,
  expires_at REAL NOT NULL,
  used_at REAL
) STRICT, WITHOUT ROWID;

CREATE TABLE memory_shares (         -- who held a device's memory in a minute, at most
  device TEXT NOT NULL,
  minute INTEGER NOT NULL,
  owner TEXT NOT NULL,               -- weights, prepared, greenroom, job:<id>, parked
  peak_bytes INTEGER NOT NULL,
  PRIMARY KEY (device, minute, owner)
) STRICT, WITHOUT ROWID;

CREATE TABLE notes (                 -- what people say about a moment of a video
  id INTEGER PRIMARY KEY,            -- 1, 2, 3 … over the whole house
  job_id TEXT NOT NULL REFERENCES jobs(id),
  answers INTEGER REFERENCES notes(id), -- the note that this one answers
  video_s REAL CHECK (video_s >= 0), -- moment of the video; NULL: about all of it, or an answer
  author TEXT NOT NULL,              -- as the log names them: user:<name>, local
  text TEXT NOT NULL,                -- '' once retracted: the log has its keyed hash only
  state TEXT NOT NULL CHECK (state IN ('open', 'resolved', 'retracted')),
  at REAL NOT NULL,                  -- when it was written; seconds since 1970
  changed_by TEXT,                   -- who resolved, opened again or retracted it
  changed_at REAL
) STRICT;

CREATE TABLE passwords (
  user TEXT PRIMARY KEY REFERENCES users(name),
  hash TEXT NOT NULL CHECK (hash GLOB 'scrypt:[0-9]*:[0-9]*:[0-9]*$*$*' AND length(hash) BETWEEN 140 AND 300),
  changed_at REAL NOT NULL           -- seconds since 1970
) STRICT, WITHOUT ROWID;

CREATE TABLE plan_checks (           -- what a plan looked like against the house, at a time
  id INTEGER PRIMARY KEY,
  at REAL NOT NULL,
  day TEXT NOT NULL,
  plan_sha256 TEXT,                  -- NULL: nothing was filed, the house alone was checked
  verdict TEXT NOT NULL,
  exit_code INTEGER NOT NULL,
  actor TEXT NOT NULL,
  report TEXT NOT NULL               -- JSON
) STRICT;

CREATE TABLE plans (                 -- the demand that people filed, one plan per day
  day TEXT PRIMARY KEY,              -- 2026-11-23
  kind TEXT NOT NULL,                -- yaml or csv
  text TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  videos INTEGER NOT NULL,
  actor TEXT NOT NULL,
  at REAL NOT NULL
) STRICT, WITHOUT ROWID;

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
) STRICT, WITHOUT ROWID;

CREATE TABLE rehearsals (            -- load rehearsals, simulated and live
  id INTEGER PRIMARY KEY,
  at REAL NOT NULL,
  kind TEXT NOT NULL,                -- simulated or live
  day TEXT NOT NULL,                 -- which demand: peak, or a day of the past
  actor TEXT NOT NULL,
  report TEXT NOT NULL               -- JSON
) STRICT;

CREATE TABLE role_totals (           -- sums over blocks, kept by a trigger so that a page need not add up millions
  role TEXT PRIMARY KEY,
  blocks INTEGER NOT NULL,
  block_seconds REAL NOT NULL,
  frames INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE roles (
  name TEXT NOT NULL,
  version INTEGER NOT NULL,          -- 1, 2, … every version is kept
  sha256 TEXT NOT NULL,              -- of the canonical body
  body TEXT NOT NULL,                -- JSON: the role as checked, assets by hash
  created_at REAL NOT NULL,
  PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;

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
) STRICT, WITHOUT ROWID;

CREATE TABLE samples (               -- device readings, 1 Hz, thinned after a day
  at REAL NOT NULL,
  device TEXT NOT NULL,
  body TEXT NOT NULL,                -- JSON: memory_used_bytes, temperature_c …; missing = not measured
  PRIMARY KEY (at, device)
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

CREATE TABLE tokens (
  token_sha256 TEXT PRIMARY KEY,
  user TEXT NOT NULL,
  label TEXT NOT NULL,
  created_at REAL NOT NULL,
  revoked_at REAL
) STRICT, WITHOUT ROWID;

CREATE TABLE upload_uses (           -- jobs that were submitted with a file of their own
  sha256 TEXT NOT NULL,
  job_id TEXT NOT NULL REFERENCES jobs(id),
  PRIMARY KEY (sha256, job_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE uploads (               -- portraits and voices that people brought; the same content of two people: two rows
  actor TEXT NOT NULL,               -- who brought it, as the log names them
  sha256 TEXT NOT NULL REFERENCES assets(sha256),
  name TEXT NOT NULL,                -- what the file was called
  at REAL NOT NULL,                  -- when it was last brought; seconds since 1970
  PRIMARY KEY (actor, sha256)
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
  name TEXT PRIMARY KEY,
  "group" TEXT NOT NULL,             -- a name in rights.yaml
  team TEXT NOT NULL,
  session_version INTEGER NOT NULL DEFAULT 1,
  created_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE verdicts (              -- approved or rejected: the newest word on a finished video
  job_id TEXT PRIMARY KEY REFERENCES jobs(id),
  verdict TEXT NOT NULL CHECK (verdict IN ('approved', 'rejected')),
  number INTEGER NOT NULL,           -- 1 is the first; each later one takes its place
  author TEXT NOT NULL,
  reason TEXT NOT NULL,              -- the log has its keyed hash only
  judged_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_action ON audit(action, seq);

CREATE INDEX audit_actor ON audit(actor, seq);

CREATE INDEX audit_actor_group ON audit(json_extract(body, '$.actor_group'), seq) WHERE actor != 'system';

CREATE INDEX audit_at ON audit(at_utc);

CREATE INDEX audit_object ON audit(object, seq);

CREATE INDEX audit_trouble ON audit(outcome, seq) WHERE outcome != 'success';

CREATE INDEX forecasts_at ON forecasts(at);

CREATE INDEX jobs_finished ON jobs(finished_at, ordinal);

CREATE INDEX jobs_follows ON jobs(follows) WHERE follows != '';

CREATE INDEX jobs_preview ON jobs(preview) WHERE preview != '';

CREATE INDEX jobs_priority ON jobs(priority, ordinal);

CREATE INDEX jobs_role ON jobs(role, ordinal);

CREATE INDEX jobs_role_state ON jobs(role, state);

CREATE INDEX jobs_search ON jobs(ordinal, id, user, team, role, state);

CREATE INDEX jobs_state ON jobs(state);

CREATE INDEX jobs_user ON jobs(user, ordinal);

CREATE INDEX joined_again ON joined(at) WHERE state = 'unjoined';

CREATE INDEX notes_job ON notes(job_id, id);

CREATE INDEX plan_checks_day ON plan_checks(day, id);

CREATE INDEX uploads_sha256 ON uploads(sha256);

CREATE INDEX verdicts_verdict ON verdicts(verdict);
