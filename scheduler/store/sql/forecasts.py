"""Statements about the past that forecasts learn from, and about forecasts themselves."""

SELECT_TRACE_JOBS = """
SELECT j.id, j.user, j.team, j.role, j.priority, j.submitted_at, j.total_blocks, j.recipe,
  (SELECT avg(b.seconds) FROM blocks b WHERE b.job_id = j.id AND b.seconds > 0) AS block_s
FROM jobs j WHERE j.submitted_at >= ? AND j.submitted_at < ? AND j.state != 'REJECTED' ORDER BY j.ordinal"""
SELECT_TRACE_FAULTS = """
SELECT at_utc, action, object FROM audit
WHERE action IN ('worker:lost', 'worker:ready') AND at_utc >= ? AND at_utc < ? ORDER BY seq"""
