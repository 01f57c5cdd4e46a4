"""Writing notes and verdicts: each with its audit row, in the same transaction. The log has words as keyed hashes only."""

from __future__ import annotations

from scheduler.audit.entry import ActorLike
from scheduler.core.tags import Tag
from scheduler.store.sql import reviews as sql
from scheduler.store.transaction import Transactional

NOTE_TAGS = {"resolved": Tag.NOTE_RESOLVED, "open": Tag.NOTE_REOPENED, "retracted": Tag.NOTE_RETRACTED}
VERDICT_TAGS = {"approved": Tag.VIDEO_APPROVED, "rejected": Tag.VIDEO_REJECTED}


class ReviewWrites(Transactional):
    """What people say about videos, and whether a video is good enough."""

    def write_note(
        self, job_id: str, text: str, actor: ActorLike, at: float, *, video_s: float | None = None, answers: int | None = None
    ) -> int:
        """Keep a note about a moment of the video (seconds; None: about all of it), or an answer to another; its number."""
        self._need_transaction()
        number = int(self._connection.execute(sql.SELECT_NEXT_NOTE).fetchone()[0])
        told = {"number": number, "video_s": video_s, "answers": answers, "note": text}
        body = {name: value for name, value in told.items() if value is not None}
        self.record(Tag.NOTE_WRITTEN, f"job:{job_id}", body, actor, at)
        row = {"id": number, "job_id": job_id, "answers": answers, "video_s": video_s, "author": actor.name, "text": text}
        self._write(sql.INSERT_NOTE, {**row, "state": "open", "at": at})
        return number

    def change_note(self, number: int, state: str, actor: ActorLike, at: float) -> int:
        """Resolve (`resolved`), open again (`open`) or retract a note, whose words are then gone; the log row's seq.

        StoreConflict `unknown_note`, `note_is_so` (it is in that state already), `note_retracted`.
        """
        self._need_transaction()
        row = self._connection.execute(sql.SELECT_NOTE, (number,)).fetchone()
        if row is None:
            raise self.conflict("unknown_note", f"There is no note {number}.", "notes")
        subject = f"job:{row['job_id']}"
        if row["state"] == "retracted":
            raise self.conflict("note_retracted", f"Note {number} was retracted.", subject)
        if row["state"] == state:
            raise self.conflict("note_is_so", f"Note {number} is {state} already.", subject)
        seq = self.record(NOTE_TAGS[state], subject, {"number": number}, actor, at)
        text = "" if state == "retracted" else row["text"]
        self._write(
            sql.UPDATE_NOTE, {"id": number, "state": state, "text": text, "changed_by": actor.name, "changed_at": at}
        )
        return seq

    def keep_verdict(self, job_id: str, verdict: str, reason: str, before: int, actor: ActorLike, at: float) -> int:
        """Approve or reject (`approved`, `rejected`) a video; `before`: number of the verdict that the judge saw, 0 for none.

        Returns the verdict's number; StoreConflict `judged_meanwhile` when somebody was faster.
        """
        self._need_transaction()
        old = self._connection.execute(sql.SELECT_VERDICT, (job_id,)).fetchone()
        last = 0 if old is None else int(old["number"])
        if last != before:
            said = f"{old['verdict']} by {old['author'].removeprefix('user:')}" if old is not None else "without a verdict"
            message = f"{job_id} is {said} meanwhile; look again before you judge."
            raise self.conflict("judged_meanwhile", message, f"job:{job_id}")
        number = last + 1
        body = {"number": number, **({"comment": reason} if reason else {})}
        self.record(VERDICT_TAGS[verdict], f"job:{job_id}", body, actor, at)
        row = {"job_id": job_id, "verdict": verdict, "number": number, "author": actor.name, "reason": reason, "judged_at": at}
        self._write(sql.INSERT_VERDICT if old is None else sql.UPDATE_VERDICT, row)
        return number
