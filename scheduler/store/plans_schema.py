"""Tables of day plans, their checks and load rehearsals."""

from __future__ import annotations

PLANS = (
    """
CREATE TABLE plans (                 -- the demand that people filed, one plan per day
  day TEXT PRIMARY KEY,              -- 2026-11-23
  kind TEXT NOT NULL,                -- yaml or csv
  text TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  videos INTEGER NOT NULL,
  actor TEXT NOT NULL,
  at REAL NOT NULL
) STRICT, WITHOUT ROWID""",
    """
CREATE TABLE plan_checks (           -- what a plan looked like against the house, at a time
  id INTEGER PRIMARY KEY,
  at REAL NOT NULL,
  day TEXT NOT NULL,
  plan_sha256 TEXT,                  -- NULL: nothing was filed, the house alone was checked
  verdict TEXT NOT NULL,
  exit_code INTEGER NOT NULL,
  actor TEXT NOT NULL,
  report TEXT NOT NULL               -- JSON
) STRICT""",
    "CREATE INDEX plan_checks_day ON plan_checks(day, id)",
    """
CREATE TABLE rehearsals (            -- load rehearsals, simulated and live
  id INTEGER PRIMARY KEY,
  at REAL NOT NULL,
  kind TEXT NOT NULL,                -- simulated or live
  day TEXT NOT NULL,                 -- which demand: peak, or a day of the past
  actor TEXT NOT NULL,
  report TEXT NOT NULL               -- JSON
) STRICT""",
)
