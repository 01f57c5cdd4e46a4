"""Statements about the scores of finished videos."""

from __future__ import annotations

SCORES = (
    "seconds", "lip_offset_s", "lip_correlation", "blurred_ratio", "frozen_ratio", "longest_freeze_s", "flicker",
    "identity_drift", "loudness_db",
)  # fmt: skip
COLUMNS = ("job_id", "state", "tries", "at", "took_s", "has_portrait", *SCORES, "code", "message")

INSERT_QUALITY = f"INSERT INTO quality ({', '.join(COLUMNS)}) VALUES ({', '.join(f':{name}' for name in COLUMNS)})"
UPDATE_QUALITY = f"UPDATE quality SET {', '.join(f'{name} = :{name}' for name in COLUMNS[1:])} WHERE job_id = :job_id"
SELECT_QUALITY = "SELECT * FROM quality WHERE job_id = ?"
# Of the newest finished videos those that wait: never measured first, then failures whose time has come, newest first.
SELECT_UNMEASURED = """
SELECT j.id, j.video_path, json_extract(j.recipe, '$.portrait_sha256') AS portrait_sha256, coalesce(q.tries, 0) AS tries
FROM (SELECT id, video_path, recipe, finished_at, ordinal FROM jobs INDEXED BY jobs_finished
      WHERE finished_at > 0 AND state = 'SUCCEEDED' AND video_path IS NOT NULL
      ORDER BY finished_at DESC, ordinal DESC LIMIT :newest) AS j
LEFT JOIN quality AS q ON q.job_id = j.id
WHERE q.job_id IS NULL OR (q.state = 'failed' AND q.tries < :tries AND q.at <= :before)
ORDER BY q.job_id IS NOT NULL, j.finished_at DESC, j.ordinal DESC LIMIT :limit"""
SELECT_ROLE_QUALITY = """
SELECT q.*, j.finished_at FROM jobs AS j INDEXED BY jobs_finished JOIN quality AS q ON q.job_id = j.id
WHERE j.finished_at >= ? AND j.finished_at < ? AND j.role = ? AND q.state = 'measured' ORDER BY j.finished_at DESC LIMIT ?"""
SELECT_ALL = "SELECT * FROM quality"
