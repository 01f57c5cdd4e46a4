"""Statements about sessions: their parts, and the video of all of them."""

from __future__ import annotations

FACTS = ("path", "sha256", "bytes", "frames", "seconds", "width", "height", "is_copied", "parts", "code", "message")
COLUMNS = ("last_job", "first_job", "state", "tries", "at", "took_s", *FACTS)

INSERT_JOINED = f"INSERT INTO joined ({', '.join(COLUMNS)}) VALUES ({', '.join(f':{name}' for name in COLUMNS)})"
UPDATE_JOINED = f"UPDATE joined SET {', '.join(f'{name} = :{name}' for name in COLUMNS[1:])} WHERE last_job = :last_job"
SELECT_JOINED = "SELECT * FROM joined WHERE last_job = ?"
SELECT_ALL = "SELECT * FROM joined"
SELECT_FOLLOWER = "SELECT id FROM jobs WHERE follows = ? AND follows != '' AND state != 'REJECTED' LIMIT 1"
# Sessions at their end: the last part has succeeded and nothing that was accepted follows it.
SELECT_UNJOINED = """
SELECT j.id, coalesce(v.tries, 0) AS tries FROM jobs AS j INDEXED BY jobs_follows LEFT JOIN joined AS v ON v.last_job = j.id
WHERE j.follows != '' AND j.state = 'SUCCEEDED'
AND (v.last_job IS NULL OR (v.state = 'unjoined' AND v.tries < :tries AND v.at <= :before))
AND NOT EXISTS (SELECT 1 FROM jobs AS k WHERE k.follows = j.id AND k.follows != '' AND k.state != 'REJECTED')
ORDER BY v.last_job IS NOT NULL, j.finished_at, j.ordinal"""
PART = "id, role, user, state, priority, follows, blocks_done, total_blocks, frames, started_at, finished_at, video_path"
SELECT_BEFORE = f"""
WITH RECURSIVE chain(id, before, depth) AS (
  SELECT id, follows, 0 FROM jobs WHERE id = :job
  UNION ALL SELECT jobs.id, jobs.follows, depth + 1 FROM chain JOIN jobs ON jobs.id = chain.before WHERE depth < :most)
SELECT {PART} FROM chain JOIN jobs USING (id) ORDER BY depth DESC"""
SELECT_AFTER = f"""
WITH RECURSIVE chain(id, depth) AS (
  SELECT :job, 0
  UNION ALL SELECT jobs.id, depth + 1 FROM chain JOIN jobs INDEXED BY jobs_follows ON jobs.follows = chain.id
  WHERE jobs.follows != '' AND jobs.state != 'REJECTED' AND depth < :most)
SELECT {PART} FROM chain JOIN jobs USING (id) WHERE depth > 0 ORDER BY depth"""
