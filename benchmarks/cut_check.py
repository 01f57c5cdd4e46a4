"""Opening what a power cut left, as the daemon would, and comparing it with what people were told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scheduler import audit
from scheduler.chaos.replay import Replay
from scheduler.chaos.review_replay import kept_reviews
from scheduler.core.job import JobState
from scheduler.door import LENGTH
from scheduler.errors import SchedulerError
from scheduler.store import Store
from scheduler.store.opening import open_writer


@dataclass(frozen=True)
class Finding:
    """`kind`: damaged (cannot be opened), lost (acknowledged and gone), files (in the tables, not on the disk), audit."""

    kind: str
    text: str


def acknowledged(data: bytes) -> list[str]:
    """Job ids that an answer of the door grants."""
    found: list[str] = []
    while len(data) >= LENGTH.size:
        (length,) = LENGTH.unpack_from(data)
        body, data = data[LENGTH.size : LENGTH.size + length], data[LENGTH.size + length :]
        try:
            answer = json.loads(body)
        except ValueError:
            return found  # not a frame of the door
        result = answer.get("result") if isinstance(answer, dict) and answer.get("ok") else None
        if isinstance(result, dict) and "decision" in result and "state" in result:
            found.append(str(result["id"]))
    return found


def look_into(data_dir: Path, acked: Iterable[str]) -> list[Finding]:
    """What is wrong with an image. Opening it repairs what the store repairs by itself, as a start would."""
    try:
        store = open_writer(data_dir)
    except SchedulerError as error:
        return [Finding("damaged", f"{error.code}: {error.message}")]
    try:
        findings = [Finding("lost", f"{job_id} was acknowledged and is gone") for job_id in acked if store.job(job_id) is None]
        findings += _replayed(store)
        findings += [Finding("files", text) for text in _files(data_dir, store)]
    except SchedulerError as error:
        return [Finding("damaged", f"{error.code}: {error.message}")]
    finally:
        store.close()
    verdict = audit.verify(data_dir)
    return findings if verdict.is_ok else [*findings, Finding("audit", verdict.message)]


def _replayed(store: Store) -> list[Finding]:
    replay, seq = Replay(), 0
    while entries := store.audit_after(seq):
        replay.feed(entries)
        seq = entries[-1]["seq"]
    rows = {row["id"]: row for row in store.jobs(sort="ordinal", per_page=500).rows}
    blocks = {job_id: [block["block"] for block in store.blocks(job_id)] for job_id in rows}
    made = {job_id: numbers for job_id, numbers in blocks.items() if numbers}
    differing = replay.differences(rows, made, store.all_quality(), store.all_joined(), kept_reviews(store))
    return [Finding("audit", text) for text in differing]


def _files(data_dir: Path, store: Store) -> list[str]:
    """Every block, segment and video of the tables is on the disk, whole."""
    found: list[str] = []
    for job in store.jobs(sort="ordinal", per_page=500).rows:
        folder = data_dir / "jobs" / job["id"]
        for block in store.blocks(job["id"]):
            found += _block(folder, block)
        for segment in store.segments(job["id"]):
            found += _file(data_dir / segment["path"], segment["sha256"])
        if job["state"] == JobState.SUCCEEDED:
            found += _file(data_dir / job["video_path"], job["video_sha256"])
    return found


def _block(folder: Path, block: dict[str, Any]) -> list[str]:
    stem = folder / "blocks" / f"{block['block']:06d}"
    found = _file(stem.with_suffix(".m4s"), block["fragment_sha256"])
    try:
        record = json.loads(stem.with_suffix(".json").read_bytes())
    except (OSError, ValueError):
        return [*found, f"{stem}.json is no record"]
    return found + _file(stem.with_suffix(".safetensors"), record["latents_file_sha256"])


def _file(path: Path, sha256: str) -> list[str]:
    try:
        is_whole = hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    except OSError:
        return [f"{path} is gone"]
    return [] if is_whole else [f"{path} is not what was reported"]
