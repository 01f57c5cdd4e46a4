"""What people said about a job's video, for one caller: notes in the order of the video with their answers, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard.principal import Principal
from dashboard.reads import Reads
from engine.catalog import BLOCK_SECONDS, FPS
from scheduler.core.job import JobState

Row = dict[str, Any]


def name_of(actor: str) -> str:
    """The person as people write them."""
    return actor.removeprefix("user:")


def verdict_of(reads: Reads, job: Mapping[str, Any], principal: Principal) -> Row | None:
    """verdict, number, by, at and the reason, which only those read who may watch the video; None while nobody has said."""
    row = reads.store.verdict(job["id"])
    if row is None:
        return None
    shown = {"verdict": row["verdict"], "number": row["number"], "by": name_of(row["author"]), "at": row["judged_at"]}
    return {**shown, "reason": row["reason"] if principal.may_read_words(job) else None}


def notes_of(reads: Reads, job: Mapping[str, Any], principal: Principal) -> list[Row]:
    """Notes as `note_shown`, those about the whole video first, then by moment; retracted ones only where they have answers."""
    rows = reads.store.notes(job["id"])
    answers: dict[int, list[Row]] = {}
    for row in rows:
        if row["answers"] is not None and row["state"] != "retracted":
            answers.setdefault(row["answers"], []).append(note_shown(row, job, principal))
    found = [
        {**note_shown(row, job, principal), "answers": answers.get(row["id"], [])}
        for row in rows
        if row["answers"] is None and (row["state"] != "retracted" or row["id"] in answers)
    ]
    return sorted(found, key=lambda note: (-1.0 if note["video_s"] is None else note["video_s"], note["number"]))


def note_shown(row: Row, job: Mapping[str, Any], principal: Principal) -> Row:
    """number, video_s, by, at, text, state, changed_by, changed_at, and the deeds (`may`) that this caller can do to it."""
    is_mine = row["author"] == principal.actor and principal.kind != "nobody"
    may: list[str] = []
    if principal.may_comment(job) and row["state"] != "retracted":
        if row["answers"] is None and (is_mine or principal.owns(job) or principal.may_judge(job)):
            may.append("resolve" if row["state"] == "open" else "reopen")
        if is_mine:
            may.append("retract")
    return {
        "number": row["id"], "video_s": row["video_s"], "by": name_of(row["author"]), "at": row["at"], "text": row["text"],
        "state": row["state"], "changed_by": name_of(row["changed_by"] or ""), "changed_at": row["changed_at"], "may": may,
    }  # fmt: skip


def talk_of(reads: Reads, job: Mapping[str, Any], principal: Principal) -> Row:
    """For the page: notes, the verdict, how long the video will be (`whole_s`) and is (`made_s`), and what the caller may do."""
    made_s = reads.store.made_seconds(job["id"])
    is_done = job["state"] == JobState.SUCCEEDED
    may_read = principal.may_read_words(job)
    whole_s = made_s if is_done else max(made_s, job["total_blocks"] * BLOCK_SECONDS)
    return {
        "notes": notes_of(reads, job, principal) if may_read else [], "verdict": verdict_of(reads, job, principal),
        "made_s": made_s, "whole_s": whole_s, "frame_s": 1 / FPS, "may_read": may_read,
        "may_comment": principal.may_comment(job), "may_judge": principal.may_judge(job), "is_done": is_done,
        "is_own": principal.owns(job),
    }  # fmt: skip
