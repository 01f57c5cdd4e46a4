"""Notes, verdicts and passwords, told again from the log alone. Of words and hashes the log knows keyed hashes, or only that
there are some."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scheduler.audit.entry import AuditEntry
from scheduler.core.tags import Tag
from scheduler.store import Reader, Store

_STATES = {Tag.NOTE_RESOLVED: "resolved", Tag.NOTE_REOPENED: "open", Tag.NOTE_RETRACTED: "retracted"}
_VERDICTS = {Tag.VIDEO_APPROVED: "approved", Tag.VIDEO_REJECTED: "rejected"}


def kept_reviews(store: Reader | Store) -> dict[str, dict[str, Any]]:
    """What the tables hold: notes by number, verdicts by job id, who has a password."""
    return {**store.all_reviews(), "passwords": dict.fromkeys(store.password_holders(), True)}


class ReviewReplay:
    """Feed it all entries in order, then compare."""

    def __init__(self) -> None:
        self.told: dict[str, dict[str, Any]] = {"notes": {}, "verdicts": {}, "passwords": {}}
        self.faults: list[str] = []

    def feed(self, entry: AuditEntry) -> None:
        """Take a row."""
        kind, _, name = entry["object"].partition(":")
        if kind == "job":
            self._job(name, entry)
        elif entry["action"] == Tag.PASSWORD_CHOSEN:
            self.told["passwords"][name] = True
        elif entry["action"] == Tag.PASSWORD_REMOVED and self.told["passwords"].pop(name, None) is None:
            self.faults.append(f"row {entry['seq']}: {name} loses a password that the rows before do not know")

    def _job(self, job_id: str, entry: AuditEntry) -> None:
        body, action = entry["body"], entry["action"]
        if action == Tag.NOTE_WRITTEN:
            told = {name: body.get(name) for name in ("answers", "video_s", "note")}
            note = {"job_id": job_id, "author": entry["actor"], "state": "open", **told}
            if self.told["notes"].setdefault(str(body["number"]), note) is not note:
                self.faults.append(f"row {entry['seq']}: note {body['number']} is written twice")
        elif action in _STATES:
            known = self.told["notes"].get(str(body["number"]))
            if known is None or known["job_id"] != job_id:
                self.faults.append(f"row {entry['seq']}: note {body['number']} changes, the rows before do not know it")
                return
            known["state"] = _STATES[Tag(action)]
            if action == Tag.NOTE_RETRACTED:
                known["note"] = None
        elif action in _VERDICTS:
            before = self.told["verdicts"].get(job_id, {"number": 0})["number"]
            if body["number"] != before + 1:
                self.faults.append(f"row {entry['seq']}: verdict {body['number']} of {job_id} follows number {before}")
            judged = {"verdict": _VERDICTS[Tag(action)], "number": body["number"], "author": entry["actor"]}
            self.told["verdicts"][job_id] = {**judged, "comment": body.get("comment")}

    def differences(self, kept: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Where tables (of `kept_reviews`) and log disagree."""
        found = list(self.faults)
        for table, told in self.told.items():
            for name in sorted(set(told) | set(kept[table])):
                if told.get(name) != kept[table].get(name):
                    found.append(f"{table} {name}: {kept[table].get(name)} is kept, the log says {told.get(name)}")
        return found
