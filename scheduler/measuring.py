"""One video measured in a process of its own: `python -m engine.media.quality`, at the lowest priority, bounded in time.

However that process ends, there is an answer: scores, or a code with a sentence.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from scheduler.spawn import python_module
from scheduler.throwaway import Ended, played

KIND = "quality"
MAX_CHARS = 300


@dataclass(frozen=True)
class Scored:
    """What was measured, by name of the measure; None: cannot be told."""

    scores: Mapping[str, float | None]


@dataclass(frozen=True)
class Unmeasured:
    """Why there are no scores. Codes: video_missing, unreadable, timed_out, killed, crashed."""

    code: str
    message: str


async def measured(video: Path, portrait: Path | None, timeout_s: float) -> Scored | Unmeasured:
    """Measure a video file; sharpness is held against `portrait` where there is one.

    Call on the main thread's loop (the process ends with it). Cancelled, it ends the process. OSError where the machine
    starts no process.
    """
    if not await asyncio.to_thread(video.is_file):
        return Unmeasured("video_missing", f"{video.name} is not there any more.")
    words = [str(video), *(("--portrait", str(portrait)) if portrait is not None else ())]
    ended = await played(KIND, python_module("engine.media.quality", *words), timeout_s)
    if ended is None:
        return Unmeasured("timed_out", f"Measuring took more than {timeout_s:g} s.")
    said = ended.said.replace(f"{video.parent}{os.sep}", "")  # where it lies is nobody's business
    return _understood(Ended(ended.status, said))


def _understood(ended: Ended) -> Scored | Unmeasured:
    last = ended.last_line[:MAX_CHARS]
    if ended.status < 0:
        return Unmeasured("killed", f"The measuring process was ended by signal {-ended.status}.")
    if ended.status == 0 and (scores := _scores(last)) is not None:
        return Scored(scores)
    if ended.status == 1 and last and "Traceback" not in ended.said:
        return Unmeasured("unreadable", last)
    return Unmeasured("crashed", f"Measuring ended with {ended.status}: {last or '–'}")


def _scores(line: str) -> dict[str, float | None] | None:
    """The program's answer; None for anything else."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    if not isinstance(found, dict) or "seconds" not in found:
        return None
    return {name: float(value) if isinstance(value, int | float) and isfinite(value) else None for name, value in found.items()}
