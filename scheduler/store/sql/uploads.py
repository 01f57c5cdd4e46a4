"""Statements about files that people brought."""

from __future__ import annotations

PUT_UPLOAD = """
INSERT INTO uploads (actor, sha256, name, at) VALUES (:actor, :sha256, :name, :at)
ON CONFLICT (actor, sha256) DO UPDATE SET name = excluded.name, at = excluded.at"""
DELETE_UPLOAD = "DELETE FROM uploads WHERE actor = ? AND sha256 = ?"
DELETE_ASSET = "DELETE FROM assets WHERE sha256 = ?"
INSERT_USE = "INSERT OR IGNORE INTO upload_uses (sha256, job_id) VALUES (?, ?)"
COPY_USES = "INSERT OR IGNORE INTO upload_uses (sha256, job_id) SELECT sha256, ? FROM upload_uses WHERE job_id = ?"

_UPLOAD = """
SELECT u.actor, u.sha256, u.name, u.at, a.kind, a.bytes, a.verdict,
  (SELECT count(*) FROM upload_uses AS w WHERE w.sha256 = u.sha256) AS jobs
FROM uploads AS u JOIN assets AS a ON a.sha256 = u.sha256"""
SELECT_UPLOAD = f"{_UPLOAD} WHERE u.actor = ? AND u.sha256 = ?"
SELECT_UPLOADS_OF = f"{_UPLOAD} WHERE u.actor = ? ORDER BY u.at DESC, u.sha256"
SELECT_BYTES = "SELECT coalesce(sum(a.bytes), 0) FROM uploads AS u JOIN assets AS a ON a.sha256 = u.sha256 WHERE u.actor = ?"
SELECT_UNUSED = """
SELECT u.actor, u.sha256 FROM uploads AS u
WHERE u.at < ? AND NOT EXISTS (SELECT 1 FROM upload_uses AS w WHERE w.sha256 = u.sha256) ORDER BY u.at LIMIT ?"""
SELECT_OPEN_USE = """
SELECT j.id FROM upload_uses AS w JOIN jobs AS j ON j.id = w.job_id
WHERE w.sha256 = ? AND j.state IN (SELECT value FROM json_each(?)) LIMIT 1"""
# A content that nobody brought and no version of a role names may go.
SELECT_IS_NEEDED = """
SELECT EXISTS (SELECT 1 FROM uploads WHERE sha256 = :sha256)
  OR EXISTS (SELECT 1 FROM roles WHERE instr(body, :sha256) > 0)"""
SELECT_ASSET_HASHES = "SELECT sha256 FROM assets"
