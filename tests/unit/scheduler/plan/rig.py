"""A studio with three roles and a known pace, and plans in one line."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scheduler.assets import AssetLibrary
from scheduler.core.block_times import BlockKey, BlockTime, BlockTimes
from scheduler.core.policy import Policy
from scheduler.plan.entry import Calendar, DayPlan
from scheduler.plan.file import load_plan
from scheduler.plan.studio import Studio
from scheduler.prompts.styles import StyleBook
from scheduler.registry import Role

NINE = datetime(2026, 11, 23, 9, 0, tzinfo=UTC).timestamp()  # a Monday
BOOK = StyleBook(name="plain", base="{{ role_prompt }}", styles={})
GIB = 1 << 30
ASSETS = {kind: hashlib.sha256(kind.encode()).hexdigest() for kind in ("portrait", "voice", "adapter")}


def role(name: str, **changes: Any) -> Role:
    """A role with a voice of 48 s; its prompt needs nothing."""
    values: dict[str, Any] = {
        "name": name, "prompt_template": f"A {name} speaks", "priority": 10, "portrait_sha256": ASSETS["portrait"],
        "voice_sha256": ASSETS["voice"], "voice_seconds": 48.0, "image_width": 640, "image_height": 960, "book": BOOK,
        "preset": "pocket", "team": "education", "version": 1, **changes,
    }  # fmt: skip
    return Role(**values)


def studio(tmp: Path, block_s: float | None = 0.96, **changes: Any) -> Studio:
    """One slot of the pocket model at nine in the morning; a block of 0.48 s takes twice as long to make."""
    library = AssetLibrary(tmp)
    for kind, sha256 in ASSETS.items():
        library.path_of(sha256).parent.mkdir(parents=True, exist_ok=True)
        library.path_of(sha256).write_text(kind)
    key = BlockKey("pocket", "128x192", 4, "cpu")
    known = [] if block_s is None else [(key, BlockTime(block_s, block_s / 20, block_s * 2, 40))]
    roles = changes.pop("roles", [role("teacher"), role("student", priority=5), role("presenter", priority=100)])
    values: dict[str, Any] = {
        "now": NINE, "zone": UTC, "policy": Policy(slot_memory_bytes=GIB), "slots": 1, "model": "pocket", "device": "cpu",
        "device_name": "CPU", "device_bytes": 16 * GIB, "times": BlockTimes(known), "free_bytes": 100 * GIB,
        "roles": {one.name: one for one in roles}, "library": library, **changes,
    }  # fmt: skip
    return Studio(**values)


def plan(*entries: str, top: str = "") -> DayPlan:
    """A plan of flow-style entries, such as `role: teacher, user: a, window: "10:00-11:00"`."""
    lines = "".join(f"  - {{{entry}}}\n" for entry in entries)
    return load_plan(f"{top}entries:\n{lines}")


def calendar(of: DayPlan, house: Studio) -> Calendar:
    """The plan's day in the studio's zone."""
    return Calendar.of(of, house.now, house.zone)
