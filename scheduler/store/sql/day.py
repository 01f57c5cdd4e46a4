"""Statements about what a span of time held: deeds counted off the log, jobs finished, waits and shares."""

from __future__ import annotations

SELECT_FIRST_SEQ_SINCE = "SELECT seq FROM audit WHERE at_utc >= ? ORDER BY at_utc LIMIT 1"
COUNT_ACTIONS = """
SELECT action, outcome, count(*) AS deeds FROM audit
WHERE action IN (SELECT value FROM json_each(?)) AND seq >= ? GROUP BY action, outcome"""
COUNT_FAULTS = """
SELECT json_extract(body, '$.fault') AS fault, count(*) AS deeds FROM audit
WHERE action = 'fault:detected' AND seq >= ? GROUP BY 1"""
SELECT_FINISHED = """
SELECT count(*) AS jobs, coalesce(sum(frames), 0) AS frames FROM jobs
WHERE finished_at >= ? AND finished_at < ? AND state = 'SUCCEEDED'"""
COUNT_ERROR_CODE = "SELECT count(*) FROM jobs WHERE finished_at >= ? AND state = 'FAILED' AND error_code = ?"
# Rows lie in the order of acceptance, so the first queued row is the one that waits longest. What waits for somebody's word on
# its preview does not wait for the house; from the approval on it does.
SELECT_OLDEST_WAITING = """
SELECT coalesce(approved_at, submitted_at) FROM jobs
WHERE state = 'QUEUED' AND (preview = '' OR approved_at IS NOT NULL) ORDER BY rowid LIMIT 1"""
COUNT_OPEN = """
SELECT count(*) AS total, coalesce(sum(user = ?), 0) AS mine FROM jobs WHERE state IN (SELECT value FROM json_each(?))"""
SELECT_ROLE_DONE = """
SELECT id, coalesce(approved_at, submitted_at) AS asked_at, started_at, finished_at, frames, preemptions
FROM jobs INDEXED BY jobs_finished
WHERE finished_at >= ? AND finished_at < ? AND role = ? AND state = 'SUCCEEDED' ORDER BY finished_at DESC LIMIT ?"""
SELECT_BLOCK_SPAN = """
SELECT min(made_at) AS first_at, max(made_at) AS last_at,
  (SELECT seconds FROM blocks WHERE job_id = :job ORDER BY block LIMIT 1) AS first_s FROM blocks WHERE job_id = :job"""
SELECT_PEAKS = """
SELECT job_id, max(peak_bytes) AS peak_bytes, max(made_at) AS at FROM blocks
WHERE job_id IN (SELECT value FROM json_each(?)) GROUP BY job_id"""
SELECT_ACTION_OF = """
SELECT seq, at_utc, actor, action, object, outcome, body FROM audit WHERE object = ? AND +action = ? AND seq >= ?
ORDER BY seq DESC LIMIT ?"""
SELECT_WAITS = """
SELECT role, team, started_at - coalesce(approved_at, submitted_at) AS wait_s FROM jobs
WHERE started_at IS NOT NULL AND ordinal > coalesce(
  (SELECT ordinal FROM jobs WHERE submitted_at < ? ORDER BY ordinal DESC LIMIT 1), 0)"""
SELECT_TEAM_SHARES = """
SELECT j.team AS team, count(DISTINCT j.id) AS jobs, sum(b.seconds) AS seconds, sum(b.frames) AS frames
FROM jobs AS j JOIN blocks AS b ON b.job_id = j.id
WHERE j.id IN (SELECT id FROM jobs WHERE finished_at >= :since UNION SELECT id FROM jobs WHERE finished_at IS NULL
  AND started_at IS NOT NULL) AND b.made_at >= :since
GROUP BY j.team ORDER BY seconds DESC"""
