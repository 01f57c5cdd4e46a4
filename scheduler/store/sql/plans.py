"""Statements about day plans, their checks, rehearsals, and what past jobs cost."""

from __future__ import annotations

PLAN_COLUMNS = ("day", "kind", "text", "sha256", "videos", "actor", "at")
KEEP_PLAN = f"""
INSERT INTO plans ({", ".join(PLAN_COLUMNS)}) VALUES ({", ".join("?" * len(PLAN_COLUMNS))})
ON CONFLICT (day) DO UPDATE SET kind = excluded.kind, text = excluded.text, sha256 = excluded.sha256,
  videos = excluded.videos, actor = excluded.actor, at = excluded.at"""
SELECT_PLAN = f"SELECT {', '.join(PLAN_COLUMNS)} FROM plans WHERE day = ?"
SELECT_PLANS = "SELECT day, kind, sha256, videos, actor, at FROM plans ORDER BY day DESC LIMIT ?"

CHECK_COLUMNS = ("at", "day", "plan_sha256", "verdict", "exit_code", "actor", "report")
INSERT_CHECK = f"INSERT INTO plan_checks ({', '.join(CHECK_COLUMNS)}) VALUES ({', '.join('?' * len(CHECK_COLUMNS))})"
SELECT_LAST_CHECK = "SELECT * FROM plan_checks ORDER BY id DESC LIMIT 1"
SELECT_LAST_CHECK_OF = "SELECT * FROM plan_checks WHERE day = ? ORDER BY id DESC LIMIT 1"
SELECT_CHECKS = "SELECT id, at, day, plan_sha256, verdict, exit_code, actor FROM plan_checks ORDER BY id DESC LIMIT ?"

REHEARSAL_COLUMNS = ("at", "kind", "day", "actor", "report")
INSERT_REHEARSAL = (
    f"INSERT INTO rehearsals ({', '.join(REHEARSAL_COLUMNS)}) VALUES ({', '.join('?' * len(REHEARSAL_COLUMNS))})"
)
SELECT_REHEARSAL = "SELECT * FROM rehearsals WHERE id = ?"
SELECT_REHEARSALS = "SELECT id, at, kind, day, actor FROM rehearsals ORDER BY id DESC LIMIT ?"

# Of the newest finished jobs, undisturbed ones: wall time that is not computing, and bytes that a block leaves behind.
SELECT_COSTS = """
SELECT j.id, j.width, j.height, j.total_blocks, j.finished_at - j.started_at AS run_s, j.video_bytes,
  (SELECT sum(seconds) FROM blocks WHERE job_id = j.id) AS block_s,
  (SELECT sum(fragment_bytes) FROM blocks WHERE job_id = j.id) AS fragment_bytes
FROM jobs AS j
WHERE j.state = 'SUCCEEDED' AND j.preemptions = 0 AND j.crashes = 0 AND j.leases = 1
ORDER BY j.ordinal DESC LIMIT ?"""
SELECT_NEWEST_RECIPE = "SELECT recipe FROM jobs ORDER BY ordinal DESC LIMIT 1"
SELECT_ARRIVALS = """
SELECT id, ordinal, user, team, role, priority, submitted_at, total_blocks, context_bytes, degrade, width, height, recipe
FROM jobs WHERE submitted_at >= ? AND submitted_at < ? AND state != 'REJECTED' ORDER BY ordinal LIMIT ?"""
