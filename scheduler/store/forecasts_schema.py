"""What people were told of a job's start and finish, to be held against what happens."""

from __future__ import annotations

FORECASTS = (
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
