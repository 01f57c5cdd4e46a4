"""What a job gave up or is asked to give up, and how long blocks take as far as was learnt."""

from __future__ import annotations

HEALING = (
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
