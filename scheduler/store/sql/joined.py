"""Statements about sessions: their parts, and the video of all of them."""

from __future__ import annotations

FACTS = ("path", "sha256", "bytes", "frames", "seconds", "width", "height", "is_copied", "parts", "code", "message")
COLUMNS = ("last_job", "first_job", "state", "tries", "at", "took_s", *FACTS)

INSERT_JOINED = f"INSERT INTO joined ({', '.join(COLUMNS)}) VALUES ({', '.join(f':{name}' for name in COLUMNS)})"
UPDATE_JOINED = f"UPDATE joined SET {', '.join(f'{name} = :{name}' for name in COLUMNS[1:])} WHERE last_job = :last_job"
SELECT_JOINED = "SELECT * FROM joined WHERE last_job = ?"
SELECT_ALL = "SELECT * FROM joined"
SELECT_FOLLOWER = "SELECT id FROM jobs WHERE follows = ? AND follows != '' AND state != 'REJECTED' LIMIT 1"
# Sessions at their end: the last part has succeeded (so all before it have) and nothing that was accepted follows it. Those that
# nobody tried come first, of them the oldest; then failures whose time has come.
SELECT_UNJOINED = """
SELECT id, tries FROM (
  SELECT j.id, 0 AS tries, j.finished_at AS at, j.ordinal FROM jobs AS j INDEXED BY jobs_finished
  WHERE j.finished_at >= :since AND j.state = 'SUCCEEDED' AND j.follows != ''
  AND NOT EXISTS (SELECT 1 FROM joined AS v WHERE v.last_job = j.id)
  AND NOT EXISTS (SELECT 1 FROM jobs AS k WHERE k.follows = j.id AND k.follows != '' AND k.state != 'REJECTED')
  UNION ALL
  SELECT v.last_job, v.tries, v.at, 0 FROM joined AS v INDEXED BY joined_again
  WHERE v.state = 'unjoined' AND v.tries < :tries AND v.at <= :before)
ORDER BY tries, at, ordinal"""
PART = "id, role, user, state, priority, follows, blocks_done, total_blocks, frames, started_at, finished_at, video_path"
SELECT_BEFORE = f"""
WITH RECURSIVE chain(id, before, depth) AS (
  SELECT id, iif(state = 'REJECTED', '', follows), 0 FROM jobs WHERE id = :job
  UNION ALL SELECT jobs.id, jobs.follows, depth + 1 FROM chain JOIN jobs ON jobs.id = chain.before WHERE depth < :most)
SELECT {PART} FROM chain JOIN jobs USING (id) ORDER BY depth DESC"""
# Where a part was cancelled while it waited, another may have taken its turn: the newest follows.
SELECT_AFTER = f"""
WITH RECURSIVE chain(id, depth) AS (
  SELECT :job, 0
  UNION ALL SELECT (
    SELECT jobs.id FROM jobs INDEXED BY jobs_follows WHERE jobs.follows = chain.id AND jobs.follows != ''
    AND jobs.state != 'REJECTED' ORDER BY jobs.ordinal DESC LIMIT 1), depth + 1
  FROM chain WHERE chain.id IS NOT NULL AND depth < :most)
SELECT {PART} FROM chain JOIN jobs USING (id) WHERE depth > 0 ORDER BY depth"""
