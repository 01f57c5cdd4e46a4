"""The tables, told again from the log alone: what the audit says must be what the tables hold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from scheduler.audit.entry import AuditEntry
from scheduler.chaos.review_replay import ReviewReplay
from scheduler.core.tags import Tag

# Overwritten beside a move by reports (results, error texts) and not logged with it; a recipe is logged as its hash.
_NOT_LOGGED = {"resume", "width", "height", "started_at", "frames", "video_path", "video_sha256", "video_bytes", "recipe",
               "recipe_sha256", "error_code", "error_message", "error_hint", "hold_detail", "finished_at"}  # fmt: skip
_SUBMITTED = ("user", "team", "role", "role_version", "priority", "degrade", "total_blocks", "again_of", "preview",
              "follows", "start_at", "deadline")  # fmt: skip


class Replay:
    """Feed it all entries in order, then compare."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.blocks: dict[str, list[int]] = {}  # as they were finished, so that a block told twice shows
        self.continuous: set[str] = set()  # jobs that were rebuilt on the way
        self.resumes: dict[str, int] = {}  # how leases were begun: fresh, exact, continuous
        self.faults: list[str] = []
        self.quality: dict[str, dict[str, Any]] = {}  # scores as they were told last
        self.joined: dict[str, dict[str, Any]] = {}  # sessions' videos, by their last parts
        self.reviews = ReviewReplay()

    def feed(self, entries: Iterable[AuditEntry]) -> None:
        """Take rows, oldest first."""
        for entry in entries:
            if entry["object"].startswith("job:"):
                self._job(entry["object"].removeprefix("job:"), entry)
            self.reviews.feed(entry)

    def _job(self, job_id: str, entry: AuditEntry) -> None:
        body, action = entry["body"], entry["action"]
        if action == Tag.JOB_SUBMITTED and "from" not in body:
            self.jobs[job_id] = {"state": "SUBMITTED", **{name: body[name] for name in _SUBMITTED if name in body}}
            return
        if action in (Tag.QUALITY_MEASURED, Tag.QUALITY_FAILED):
            self.quality[job_id] = {**body, "state": action.partition(":")[2]}
            return
        if action in (Tag.SESSION_JOINED, Tag.SESSION_UNJOINED):
            self.joined[job_id] = {**body, "state": action.partition(":")[2]}
            return
        if "from" not in body or "to" not in body:
            return
        job = self.jobs.get(job_id)
        if job is None or job["state"] != body["from"]:
            found = "nothing" if job is None else job["state"]
            self.faults.append(f"row {entry['seq']}: {job_id} moves from {body['from']}, the rows before say {found}")
            return
        job.update({name: value for name, value in body.get("set", {}).items() if name not in _NOT_LOGGED}, state=body["to"])
        if action == Tag.BLOCK_FINISHED:
            self.blocks.setdefault(job_id, []).append(int(body["block"]))
        if action == Tag.JOB_STARTED and (resume := body.get("resume")):
            self.resumes[resume] = self.resumes.get(resume, 0) + 1
            if resume == "continuous":
                self.continuous.add(job_id)

    def differences(
        self, rows: Mapping[str, Mapping[str, Any]], blocks: Mapping[str, list[int]], quality: Mapping[str, Mapping[str, Any]],
        joined: Mapping[str, Mapping[str, Any]], reviews: Mapping[str, Mapping[str, Any]],
    ) -> list[str]:  # fmt: skip
        """Where tables and log disagree: `rows` and `quality` by job id as the store reads them, `blocks` numbers by job id,
        `joined` by the last part's id, `reviews`: notes, verdicts and who has a password, as `kept_reviews` reads them."""
        found = list(self.faults)
        for job_id in sorted(set(rows) ^ set(self.jobs)):
            found.append(f"{job_id} is in the {'table' if job_id in rows else 'log'} only")
        for job_id in sorted(set(rows) & set(self.jobs)):
            for name, told in self.jobs[job_id].items():
                if _plain(rows[job_id][name]) != _plain(told):
                    found.append(f"{job_id}.{name} is {rows[job_id][name]!r}, the log says {told!r}")
        for job_id in sorted(set(blocks) | set(self.blocks)):
            told_blocks, kept = self.blocks.get(job_id, []), blocks.get(job_id, [])
            if told_blocks != kept:
                found.append(f"{job_id}: blocks {_short(kept)} are kept, the log finished {_short(told_blocks)}")
        for job_id in sorted(set(quality) | set(self.quality)):
            told_scores, kept_scores = self.quality.get(job_id), _as_told(quality.get(job_id))
            if told_scores != kept_scores:
                found.append(f"{job_id}: scores {kept_scores} are kept, the log says {told_scores}")
        for job_id in sorted(set(joined) | set(self.joined)):
            told_video, kept_video = self.joined.get(job_id), _as_told(joined.get(job_id))
            if told_video != kept_video:
                found.append(f"{job_id}: the session's video {kept_video} is kept, the log says {told_video}")
        return found + self.reviews.differences(reviews)


def _as_told(row: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A row as its audit row tells it: what is not there is not said, times are the log's own."""
    if row is None:
        return None
    return {name: value for name, value in row.items() if value not in (None, []) and name not in ("job_id", "last_job", "at")}


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    return json.loads(json.dumps(value))


def _short(numbers: list[int]) -> str:
    return f"{numbers[:3]}…{numbers[-3:]} ({len(numbers)})" if len(numbers) > 6 else str(numbers)
