"""Statements about heals and learnt block times."""

from __future__ import annotations

HEAL_ACTIONS = ("fault:detected", "heal:acted", "heal:recovered", "heal:abandoned")
_LIST = ", ".join(f"'{action}'" for action in HEAL_ACTIONS)
SELECT_HEAL_ROWS = f"""
SELECT seq, at_utc, action, object, outcome, body FROM audit WHERE action IN ({_LIST}) AND at_utc >= ?
ORDER BY seq DESC LIMIT ?"""
BLOCK_TIME_COLUMNS = ("model", "size", "steps", "device", "typical_s", "spread_s", "slowest_s", "count", "at")
KEEP_BLOCK_TIME = f"""
INSERT INTO block_times ({", ".join(BLOCK_TIME_COLUMNS)}) VALUES ({", ".join("?" * len(BLOCK_TIME_COLUMNS))})
ON CONFLICT (model, size, steps, device) DO UPDATE SET typical_s = excluded.typical_s, spread_s = excluded.spread_s,
  slowest_s = excluded.slowest_s, count = excluded.count, at = excluded.at"""
SELECT_BLOCK_TIMES = f"SELECT {', '.join(BLOCK_TIME_COLUMNS)} FROM block_times ORDER BY model, size, steps, device"
