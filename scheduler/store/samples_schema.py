"""Device readings added up by the minute, and who held a device's memory."""

from __future__ import annotations

SAMPLE_MINUTES = (
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
