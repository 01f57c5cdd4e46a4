"""The parts of a session become one video in a process of its own: `python -m engine.media one`.

However that process ends, there is an answer: the video, or a code with a sentence.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.catalog import FPS
from scheduler.spawn import python_module
from scheduler.throwaway import Ended, played

KIND = "joining"
NAME = "session.mp4"  # in the folder of the last part
LEAST_S, SECONDS_PER_SECOND = 120.0, 3.0  # that a machine without haste may take: parts of several sizes are encoded again
MAX_CHARS = 300
REFUSED = 3  # the program's exit status where a sentence says why
_KEPT = ("sha256", "bytes", "frames", "seconds", "width", "height", "is_copied")


@dataclass(frozen=True)
class Joined:
    """What is kept of the video (`scheduler.store.sql.joined.FACTS`)."""

    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Unjoined:
    """Why there is none. Codes: part_missing, refused, timed_out, killed, crashed."""

    code: str
    message: str


async def joined(data_dir: Path, parts: Sequence[Mapping[str, Any]]) -> Joined | Unjoined:
    """Join the videos of these jobs (rows with `id` and `video_path`), in order; the file lies beside the last one's.

    Call as `scheduler.throwaway.played`; OSError as there.
    """
    videos = [data_dir / (part["video_path"] or "") for part in parts]
    for part, video in zip(parts, videos, strict=True):
        if not await asyncio.to_thread(video.is_file):
            return Unjoined("part_missing", f"The video of {part['id']} is not there any more.")
    target = videos[-1].with_name(NAME)
    timeout_s = allowed_s(parts)
    command = python_module("engine.media", "one", "--output", str(target), *map(str, videos))
    ended = await played(KIND, command, timeout_s)
    if ended is None:
        return Unjoined("timed_out", f"Joining took more than {timeout_s:g} s.")
    return _understood(ended, data_dir, target, [str(part["id"]) for part in parts])


def allowed_s(parts: Sequence[Mapping[str, Any]]) -> float:
    """How long joining these may take, by their `frames`."""
    return LEAST_S + SECONDS_PER_SECOND * sum(part["frames"] or 0 for part in parts) / FPS


def _understood(ended: Ended, data_dir: Path, target: Path, ids: Sequence[str]) -> Joined | Unjoined:
    if ended.status < 0:
        return Unjoined("killed", f"The joining process was ended by signal {-ended.status}.")
    said = ended.last_line.replace(f"{data_dir}/", "")  # where it lies is nobody's business
    try:
        answer = json.loads(said)
    except ValueError:
        answer = None
    error = answer.get("error") if isinstance(answer, dict) else None
    if ended.status == REFUSED and isinstance(error, dict):
        return Unjoined("refused", str(error.get("message", "–"))[:MAX_CHARS])
    if ended.status != 0 or not isinstance(answer, dict) or not answer.keys() >= {*_KEPT, "parts"}:
        return Unjoined("crashed", f"Joining ended with {ended.status}: {said[:MAX_CHARS] or '–'}")
    places = [
        {"job": job_id, "start_s": part["start_s"], "frames": part["frames"]}
        for job_id, part in zip(ids, answer["parts"], strict=True)
    ]
    return Joined({**{name: answer[name] for name in _KEPT}, "path": str(target.relative_to(data_dir)), "parts": places})
