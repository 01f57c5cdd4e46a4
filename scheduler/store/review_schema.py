"""The tables of notes and verdicts, and what guards them: no row without its audit row, nothing deleted, words only retracted."""

from __future__ import annotations

_LAST = "(SELECT max(seq) FROM audit)"

REVIEWS = (
    """
CREATE TABLE notes (                 -- what people say about a moment of a video
  id INTEGER PRIMARY KEY,            -- 1, 2, 3 … over the whole house
  job_id TEXT NOT NULL REFERENCES jobs(id),
  answers INTEGER REFERENCES notes(id), -- the note that this one answers
  video_s REAL CHECK (video_s >= 0), -- moment of the video; NULL: about all of it, or an answer
  author TEXT NOT NULL,              -- as the log names them: user:<name>, local
  text TEXT NOT NULL,                -- '' once retracted: the log has its keyed hash only
  state TEXT NOT NULL CHECK (state IN ('open', 'resolved', 'retracted')),
  at REAL NOT NULL,                  -- when it was written; seconds since 1970
  changed_by TEXT,                   -- who resolved, opened again or retracted it
  changed_at REAL
) STRICT""",
    "CREATE INDEX notes_job ON notes(job_id, id)",
    f"""
CREATE TRIGGER notes_need_an_audit_row BEFORE INSERT ON notes
BEGIN SELECT RAISE(ABORT, 'a note is kept only together with its audit row') WHERE NEW.state IS NOT 'open' OR NOT EXISTS (
  SELECT 1 FROM audit WHERE seq = {_LAST} AND object = 'job:' || NEW.job_id
  AND action = 'note:written' AND json_extract(body, '$.number') IS NEW.id); END""",
    f"""
CREATE TRIGGER notes_keep_their_words BEFORE UPDATE ON notes
BEGIN SELECT RAISE(ABORT, 'a note changes only its state, together with its audit row; retracted is the end')
  WHERE OLD.state IS 'retracted' OR NEW.state IS OLD.state OR NEW.id IS NOT OLD.id OR NEW.job_id IS NOT OLD.job_id
  OR NEW.answers IS NOT OLD.answers OR NEW.video_s IS NOT OLD.video_s OR NEW.author IS NOT OLD.author OR NEW.at IS NOT OLD.at
  OR NEW.text IS NOT iif(NEW.state IS 'retracted', '', OLD.text) OR NOT EXISTS (
  SELECT 1 FROM audit WHERE seq = {_LAST} AND object = 'job:' || NEW.job_id
  AND action = 'note:' || iif(NEW.state IS 'open', 'reopened', NEW.state) AND json_extract(body, '$.number') IS NEW.id); END""",
    """
CREATE TRIGGER notes_are_never_deleted BEFORE DELETE ON notes
BEGIN SELECT RAISE(ABORT, 'notes are retracted, never deleted'); END""",
    """
CREATE TABLE verdicts (              -- approved or rejected: the newest word on a finished video
  job_id TEXT PRIMARY KEY REFERENCES jobs(id),
  verdict TEXT NOT NULL CHECK (verdict IN ('approved', 'rejected')),
  number INTEGER NOT NULL,           -- 1 is the first; each later one takes its place
  author TEXT NOT NULL,
  reason TEXT NOT NULL,              -- the log has its keyed hash only
  judged_at REAL NOT NULL
) STRICT, WITHOUT ROWID""",
    "CREATE INDEX verdicts_verdict ON verdicts(verdict)",
    *(
        f"""
CREATE TRIGGER verdicts_need_an_audit_row_{word} BEFORE {word.upper()} ON verdicts
BEGIN SELECT RAISE(ABORT, 'a verdict is kept only together with its audit row, one after the other')
  WHERE NEW.number IS NOT {number} OR NOT EXISTS (
  SELECT 1 FROM audit WHERE seq = {_LAST} AND object = 'job:' || NEW.job_id
  AND action = 'video:' || NEW.verdict AND json_extract(body, '$.number') IS NEW.number); END"""
        for word, number in (("insert", "1"), ("update", "OLD.number + 1"))
    ),
    """
CREATE TRIGGER verdicts_are_never_deleted BEFORE DELETE ON verdicts
BEGIN SELECT RAISE(ABORT, 'a verdict is followed by another, never deleted'); END""",
)
