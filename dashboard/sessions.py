"""A session for people: its parts in order, how far it is, and the one video that becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard.reads import Reads
from scheduler.core.job import FINAL_STATES, JobState
from scheduler.store.joined_reads import JOINING_NOW, MAX_TRIES

_SHOWN = ("seconds", "frames", "width", "height", "bytes", "sha256", "is_copied", "took_s", "at")


def session_of(reads: Reads, job: Mapping[str, Any]) -> dict[str, Any] | None:
    """`id` (the first part's), `state`, `place` of the job, `parts`, and, once there, `video` or `why`; None for a job alone.

    States: open, broken (a part failed or was cancelled: there will be no video of all), joining, joined, unjoined, off
    (the engine makes no real videos).
    """
    if not job["follows"] and not reads.store.has_followers(job["id"]):
        return None
    rows = reads.store.session_of(job["id"])
    if len(rows) < 2:  # it was rejected itself, or what should have followed
        return None
    last = rows[-1]
    found = reads.store.joined(last["id"]) if last["state"] == JobState.SUCCEEDED else None
    starts = {part["job"]: part["start_s"] for part in found["parts"]} if found is not None else {}
    parts = [
        {
            **{name: row[name] for name in ("id", "role", "user", "state", "blocks_done", "total_blocks")},
            "starts_s": starts.get(row["id"]),
        }
        for row in rows
    ]
    ids = [row["id"] for row in rows]
    shown = {"id": ids[0], "state": _state(reads, rows, found), "place": ids.index(job["id"]) + 1, "parts": parts,
             "video": None, "why": None}  # fmt: skip
    if found is not None and found["state"] == "joined":
        shown["video"] = {"address": f"/jobs/{ids[0]}/session/video", **{name: found[name] for name in _SHOWN}}
    elif found is not None:
        shown["why"] = {"code": found["code"], "message": found["message"], "is_again": found["tries"] < MAX_TRIES}
    return shown


def _state(reads: Reads, rows: list[dict[str, Any]], found: Mapping[str, Any] | None) -> str:
    if found is not None:
        return str(found["state"])
    if any(row["state"] in FINAL_STATES and row["state"] != JobState.SUCCEEDED for row in rows):
        return "broken"
    if rows[-1]["state"] != JobState.SUCCEEDED:
        return "open"
    fact = reads.store.fact(JOINING_NOW)
    return "off" if fact is not None and not fact["is_on"] else "joining"
