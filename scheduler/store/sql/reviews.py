"""Statements about notes on videos and verdicts."""

from __future__ import annotations

_NOTE = ("id", "job_id", "answers", "video_s", "author", "text", "state", "at")

INSERT_NOTE = f"INSERT INTO notes ({', '.join(_NOTE)}) VALUES ({', '.join(f':{name}' for name in _NOTE)})"
UPDATE_NOTE = "UPDATE notes SET state = :state, text = :text, changed_by = :changed_by, changed_at = :changed_at WHERE id = :id"
SELECT_NEXT_NOTE = "SELECT coalesce(max(id), 0) + 1 FROM notes"
SELECT_NOTE = "SELECT * FROM notes WHERE id = ?"
SELECT_NOTES = "SELECT * FROM notes WHERE job_id = ? ORDER BY id"
COUNT_NOTES = "SELECT count(*) FROM notes WHERE job_id = ?"
SELECT_ALL_NOTES = "SELECT * FROM notes ORDER BY id"

_VERDICT = ("job_id", "verdict", "number", "author", "reason", "judged_at")
INSERT_VERDICT = f"INSERT INTO verdicts ({', '.join(_VERDICT)}) VALUES ({', '.join(f':{name}' for name in _VERDICT)})"
UPDATE_VERDICT = f"UPDATE verdicts SET {', '.join(f'{name} = :{name}' for name in _VERDICT[1:])} WHERE job_id = :job_id"
SELECT_VERDICT = "SELECT * FROM verdicts WHERE job_id = ?"
SELECT_ALL_VERDICTS = "SELECT * FROM verdicts"
SELECT_MADE_FRAMES = "SELECT coalesce(sum(frames), 0) FROM blocks WHERE job_id = ?"
