"""Reading notes and verdicts."""

from __future__ import annotations

import json

from engine.catalog import FPS
from scheduler.audit.personal import fingerprint
from scheduler.store.reads import Reads, Row
from scheduler.store.sql import devices
from scheduler.store.sql import reviews as sql


class ReviewReads(Reads):
    """Notes have the columns of `notes`, verdicts those of `verdicts`; times of day in seconds since 1970."""

    def notes(self, job_id: str) -> list[Row]:
        """All notes on a job's video, in the order in which they were written; retracted ones without words."""
        return self._rows(sql.SELECT_NOTES, (job_id,))

    def note(self, number: int) -> Row | None:
        """One note, or None."""
        return self._row(sql.SELECT_NOTE, (number,))

    def note_count(self, job_id: str) -> int:
        """How many notes a job has, retracted ones too."""
        return int(self._value(sql.COUNT_NOTES, (job_id,)))

    def verdict(self, job_id: str) -> Row | None:
        """The newest verdict on a job's video, or None."""
        return self._row(sql.SELECT_VERDICT, (job_id,))

    def made_seconds(self, job_id: str) -> float:
        """Seconds of video that the job's finished blocks have."""
        return int(self._value(sql.SELECT_MADE_FRAMES, (job_id,))) / FPS

    def all_reviews(self) -> dict[str, dict[str, Row]]:
        """`notes` by number and `verdicts` by job id as the log tells them: words as their keyed hashes."""
        key = self._row(devices.SELECT_FACT, (devices.PERSONAL_KEY,))
        secret = b"" if key is None else bytes.fromhex(json.loads(key["value"]))

        def hashed(text: str) -> Row | None:
            return {"hmac_sha256": fingerprint(text, secret)} if text else None

        told = ("job_id", "answers", "video_s", "author", "state")
        notes = {
            str(row["id"]): {**{name: row[name] for name in told}, "note": hashed(row["text"])}
            for row in self._each(sql.SELECT_ALL_NOTES)
        }
        judged = ("verdict", "number", "author")
        verdicts = {
            row["job_id"]: {**{name: row[name] for name in judged}, "comment": hashed(row["reason"])}
            for row in self._each(sql.SELECT_ALL_VERDICTS)
        }
        return {"notes": notes, "verdicts": verdicts}
