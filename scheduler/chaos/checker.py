"""What must hold whatever was struck. Looks at tables, log, files and processes; believes nobody's word about them."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scheduler import audit
from scheduler.chaos.house import ChaosHouse, NotWithin, until
from scheduler.chaos.leaks import Leaks
from scheduler.chaos.load import Asked, Load
from scheduler.chaos.promises import Promises
from scheduler.chaos.replay import Replay
from scheduler.chaos.review_replay import kept_reviews
from scheduler.core.job import OWNED_STATES
from scheduler.errors import SchedulerError
from scheduler.store import Reader

OWNER_GRACE_S = 15.0  # a lost owner is noticed, judged and written down within this
_MOST_FINDINGS = 20  # of one kind and check; a broken house would fill the disk with them


class Checker:
    """Findings are sentences; none is what is wanted. One Checker sees one run from begin to end."""

    def __init__(self, house: ChaosHouse, load: Load) -> None:
        self._house, self._load = house, load
        self._leaks = Leaks(house)
        self._replay, self._replayed = Replay(), 0
        self._promises = Promises()
        self._sound: set[str] = set()  # jobs whose files were read and found right
        self._references: dict[int, list[tuple[str, str]]] = {}
        self.checks = 0
        self.blocks = 0

    @property
    def replay(self) -> Replay:
        """What the log says."""
        return self._replay

    @property
    def promises(self) -> Promises:
        """What the log says about sessions, reservations and pauses."""
        return self._promises

    def take_references(self, job_ids: dict[int, str], timeout_s: float) -> None:
        """Jobs that nobody disturbed, by recipe: what all others of that recipe must look like. Raises NotWithin."""
        reader = self._house.reader
        for recipe, job_id in job_ids.items():
            try:
                until(lambda job_id=job_id: _state(reader, job_id) == "SUCCEEDED", f"{job_id} made in peace", timeout_s)  # type: ignore[misc]
            except NotWithin as error:
                raise NotWithin(f"{error} ({self._situation()})") from error
            self._references[recipe] = _hashes(reader, job_id)

    def wait_until_quiet(self, timeout_s: float) -> list[str]:
        """Wait until every asked job has ended and the house is whole; findings where it does not come to that."""
        deadline = time.monotonic() + timeout_s
        try:
            until(lambda: self._open_jobs() == [], "the end of all accepted jobs", timeout_s, 0.1)
            until(self._house.is_ready, "a ready worker after the blows", max(1.0, deadline - time.monotonic()))
        except NotWithin as error:
            return [f"{error} ({self._situation()})"]
        return []

    def check(self) -> list[str]:
        """Everything, on a house that is quiet."""
        self.checks += 1
        try:
            return self._check_parts()
        except SchedulerError as error:
            return [f"the check broke off: {error.code}: {error.message}"]

    def _check_parts(self) -> list[str]:
        findings: list[str] = []
        parts: list[Callable[[], list[str]]] = [
            self._acknowledged, self._owners, self._files, self._log_and_tables, self._promises.findings, self._leaks.look,
        ]  # fmt: skip
        for part in parts:
            found = part()
            findings += found[:_MOST_FINDINGS]
            if len(found) > _MOST_FINDINGS:
                findings.append(f"… and {len(found) - _MOST_FINDINGS} more of these")
        return findings

    def check_after_the_end(self) -> list[str]:
        """After the house was ended: nobody is left, and the log is closed where it ends."""
        verdict = audit.verify(self._house.data_dir)
        findings = [] if verdict.is_ok else [f"audit after the end: {verdict.message}"]
        return findings + self._leaks.look_after_the_end()

    # ---- parts -------------------------------------------------------------------------------------------------------

    def _acknowledged(self) -> list[str]:
        """Every acknowledged job is there, exactly once, and ended well or as somebody wished."""
        reader, found = self._house.reader, []
        counts: dict[str, int] = {}
        for known in _all_jobs(reader):
            counts[known["user"]] = counts.get(known["user"], 0) + 1
        for one in self._load.asked:
            row: dict[str, Any] | None = None if one.job_id is None else reader.job(one.job_id)
            if one.job_id is not None and row is None:
                found.append(f"{one.job_id} was acknowledged and is not there")
            if (times := counts.get(one.request["user"], 0)) > 1:
                found.append(f"one submission ({one.key}) became {times} jobs")
            if one.before and times != counts.get(one.before[0].request["user"], 0):
                found.append(f"of the session {one.before[0].key} some parts are there and others are not")
            if row is not None and row["state"] != "SUCCEEDED" and not _is_as_wished(one, row):
                found.append(f"{one.job_id} is {row['state']} ({row['error_code']}: {row['error_message']})")
        return found

    def _owners(self) -> list[str]:
        """No job counts as running without a living worker that has it."""
        try:
            until(lambda: not self._orphans(), "an owner for every running job", OWNER_GRACE_S)
        except NotWithin:
            return [f"{job_id} counts as running, and nobody runs it" for job_id in self._orphans()]
        return []

    def _orphans(self) -> list[str]:
        held = {slot["job_id"] for slot in self._house.status()["slots"] if slot["pid"] and Path(f"/proc/{slot['pid']}").exists()}
        return [row["id"] for row in self._house.reader.jobs(state=OWNED_STATES, per_page=100).rows if row["id"] not in held]

    def _files(self) -> list[str]:
        """Every finished job's blocks, once each, with the hashes of the tables and of the job made in peace."""
        reader, found = self._house.reader, []
        self._read_log(reader)
        for one in self._load.acknowledged:
            job_id = one.job_id or ""
            if job_id in self._sound or _state(reader, job_id) != "SUCCEEDED":
                continue
            job, problems = reader.job(job_id), []
            assert job is not None
            problems += _wrong_files(self._house.data_dir, job, reader.blocks(job_id))
            reference = self._references.get(one.recipe)
            if reference is not None and job_id not in self._replay.continuous and _hashes(reader, job_id) != reference:
                problems.append("its bits are not those of the job made in peace, and it was resumed exactly")
            found += [f"{job_id}: {problem}" for problem in problems]
            self.blocks += int(job["total_blocks"])
            if not problems:
                self._sound.add(job_id)
        return found

    def _log_and_tables(self) -> list[str]:
        verdict = audit.verify(self._house.data_dir)
        if not verdict.is_ok:
            return [f"audit: {verdict.message}"]
        reader = self._house.reader
        for _ in range(5):  # ageing and upkeep write now and then even in a quiet house
            self._read_log(reader)
            with reader.snapshot() as seq:
                rows = {row["id"]: row for row in _all_jobs(reader)}
                blocks = {job_id: [block["block"] for block in reader.blocks(job_id)] for job_id in rows}
                quality, joined, reviews = reader.all_quality(), reader.all_joined(), kept_reviews(reader)
            if seq == self._replayed:
                break
        made = {job_id: numbers for job_id, numbers in blocks.items() if numbers}
        return self._replay.differences(rows, made, quality, joined, reviews)

    def _read_log(self, reader: Reader) -> None:
        while entries := reader.audit_after(self._replayed):
            self._replay.feed(entries)
            self._promises.feed(entries)
            self._replayed = entries[-1]["seq"]

    def _open_jobs(self) -> list[str]:
        return [row["id"] for row in self._house.reader.jobs(state="open", per_page=100).rows]

    def _situation(self) -> str:
        """For a finding: what is open and what the daemon says."""
        try:
            slot = self._house.status()["slots"][0]
            last_error = slot["last_error"] or "none"
            return f"open: {', '.join(self._open_jobs()[:5])}; slot {slot['state']}, last error {last_error}"
        except SchedulerError as error:
            return error.message


def _is_as_wished(one: Asked, row: dict[str, Any]) -> bool:
    """Was it cancelled because somebody asked for that: of itself, or of a part before it in its session?"""
    is_broken = row["error_code"] == "session_broken" and any(part.is_cancelled for part in one.before)
    return row["state"] == "CANCELLED" and (one.is_cancelled or is_broken)


def _state(reader: Reader, job_id: str) -> str:
    row = reader.job(job_id)
    return "" if row is None else str(row["state"])


def _hashes(reader: Reader, job_id: str) -> list[tuple[str, str]]:
    return [(row["latents_sha256"], row["frames_sha256"]) for row in reader.blocks(job_id)]


def _all_jobs(reader: Reader) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while True:
        page = reader.jobs(sort="ordinal", page=len(rows) // 500 + 1, per_page=500)
        rows += page.rows
        if len(page.rows) < 500:
            return rows


def _wrong_files(data_dir: Path, job: dict[str, Any], blocks: list[dict[str, Any]]) -> list[str]:
    """What is wrong with the files of a finished job."""
    folder, found = data_dir / "jobs" / job["id"], []
    if [row["block"] for row in blocks] != list(range(job["total_blocks"])):
        found.append(f"{len(blocks)} of {job['total_blocks']} blocks are kept, not each once")
    names = sorted(path.name for path in (folder / "blocks").iterdir())
    wanted = sorted(f"{row['block']:06d}{end}" for row in blocks for end in (".m4s", ".safetensors", ".json"))
    if names != wanted:
        found.append(f"other files than wanted in blocks: {sorted(set(names) ^ set(wanted))[:4]}")
        return found
    for row in blocks:
        if _sha256(folder / "blocks" / f"{row['block']:06d}.m4s") != row["fragment_sha256"]:
            found.append(f"block {row['block']} on the disk is not the one reported")
        record = json.loads((folder / "blocks" / f"{row['block']:06d}.json").read_text())
        if _sha256(folder / "blocks" / f"{row['block']:06d}.safetensors") != record["latents_file_sha256"]:
            found.append(f"latents of block {row['block']} on the disk are damaged")
    if _sha256(data_dir / job["video_path"]) != job["video_sha256"]:
        found.append("the video on the disk is not the one reported")
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

