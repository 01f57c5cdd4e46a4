"""Statements about the past that forecasts learn from, and about forecasts themselves."""

# What waited for the approval of its preview asks for a slot from then on; what was never approved never did.
SELECT_TRACE_JOBS = """
SELECT j.id, j.user, j.team, j.role, j.priority, coalesce(j.approved_at, j.submitted_at) AS submitted_at, j.total_blocks,
  j.recipe, j.width, j.height, j.deadline, j.start_at, j.follows, (j.preview != '' AND j.approved_at IS NULL) AS is_unapproved,
  (SELECT avg(b.seconds) FROM blocks b WHERE b.job_id = j.id AND b.seconds > 0) AS block_s
FROM jobs j WHERE j.submitted_at >= ? AND j.submitted_at < ? AND j.state != 'REJECTED'
  ORDER BY j.ordinal"""
SELECT_TRACE_FAULTS = """
SELECT at_utc, action, object FROM audit
WHERE action IN ('worker:lost', 'worker:ready') AND at_utc >= ? AND at_utc < ? ORDER BY seq"""
# Also after the time of the jobs asked about: whoever was paused before midnight may go on after it.
SELECT_TRACE_PAUSES = """
SELECT at_utc, action, object FROM audit
WHERE action IN ('job:paused', 'job:resumed', 'queue:paused', 'queue:resumed') AND at_utc >= ? ORDER BY seq"""

FORECAST_COLUMNS = (
    "job_id", "at", "seq", "runs", "start_p10", "start_p50", "start_p90", "finish_p10", "finish_p50", "finish_p90", "basis",
)  # fmt: skip
INSERT_FORECAST = f"""
INSERT INTO forecasts ({", ".join(FORECAST_COLUMNS)})
SELECT {", ".join("?" * len(FORECAST_COLUMNS))} WHERE EXISTS (SELECT 1 FROM jobs WHERE id = ?)
ON CONFLICT DO NOTHING"""
# The first forecast of each job, as that is the one people plan with, and what became of the job.
SELECT_OUTCOMES = """
SELECT f.*, j.state, j.started_at, j.finished_at FROM forecasts f JOIN jobs j ON j.id = f.job_id
WHERE f.at >= ? AND j.finished_at IS NOT NULL
  AND f.at = (SELECT min(g.at) FROM forecasts g WHERE g.job_id = f.job_id)
ORDER BY j.finished_at, f.job_id"""
SELECT_FIRST_FORECAST = "SELECT * FROM forecasts WHERE job_id = ? ORDER BY at LIMIT 1"
SELECT_BLOCK_SECONDS = "SELECT seconds FROM blocks WHERE job_id = ? AND block = ?"
SELECT_FORECAST_JOBS = "SELECT job_id FROM forecasts WHERE job_id IN (SELECT value FROM json_each(?))"
SELECT_OPEN_FORECASTS = """
SELECT f.job_id, f.at, f.basis FROM forecasts f JOIN jobs j ON j.id = f.job_id
WHERE j.finished_at IS NULL AND f.at = (SELECT min(g.at) FROM forecasts g WHERE g.job_id = f.job_id)"""
