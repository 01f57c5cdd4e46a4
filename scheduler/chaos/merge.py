"""One report of all houses of a run: sums, every finding with its house, and what none of them hit."""

from __future__ import annotations

import os
import platform
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from scheduler.chaos.points import POINTS, points_of
from scheduler.chaos.run import ChaosOptions

_BY_NAME = ("kills_by_kind", "kills_by_point", "deeds", "refused_by_code", "resumes", "promises")
_NUMBERS = ("kills", "acknowledged", "blocks_checked", "jobs_rebuilt", "checks", "launcher_starts")
_SENTENCES = ("missed", "launchers_gave_up")
_OF_A_HOUSE = ("kills", "blows", "acknowledged", "blocks_checked", "checks")


@dataclass(frozen=True, kw_only=True)
class HouseOutcome:
    """What one house showed. `facts`: of its report, or what it told last where it did not end."""

    number: int
    seed: int
    kills_asked: int
    seconds: float = 0.0
    is_ended: bool = True  # it made its report
    findings: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    stood_still: list[str] = field(default_factory=list)  # where it said nothing for long
    kept_in: str | None = None

    def to_json(self) -> dict[str, Any]:
        """A row of the report."""
        kept = {} if self.kept_in is None else {"kept_in": self.kept_in}
        return {
            "house": self.number, "seed": self.seed, "is_passed": not self.findings and self.is_ended, "is_ended": self.is_ended,
            "kills_asked": self.kills_asked, **{name: self.facts.get(name, 0) for name in _OF_A_HOUSE},
            "seconds": self.seconds, "stood_still": self.stood_still, **kept,
        }  # fmt: skip


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "python": platform.python_version(), "machine": platform.machine(), "cores": len(os.sched_getaffinity(0)),
        "date": time.strftime("%Y-%m-%d"),
    }  # fmt: skip


def merged(options: ChaosOptions, outcomes: list[HouseOutcome], seconds: float) -> dict[str, Any]:
    """The report as plain data. `is_passed`: each house passed, and all together hit every kind and every point."""
    sums: dict[str, Any] = {name: sum(one.facts.get(name, 0) for one in outcomes) for name in _NUMBERS}
    for name in _BY_NAME:
        counts: Counter[str] = Counter()
        for one in outcomes:
            counts.update(one.facts.get(name, {}))
        sums[name] = dict(sorted(counts.items()))
    for name in _SENTENCES:
        sums[name] = [_of(one, text, outcomes) for one in outcomes for text in one.facts.get(name, [])]
    sums["frozen_gone_s"] = [gone_s for one in outcomes for gone_s in one.facts.get("frozen_gone_s", [])]
    findings = [_of(one, text, outcomes) for one in outcomes for text in one.findings] + not_hit(options, sums)
    return {
        "is_passed": not findings and all(one.is_ended for one in outcomes),
        "findings": findings,
        "engine": options.engine,
        "kills_asked": options.kills,
        "stopped_at_limit": any(one.facts.get("is_stopped_at_limit", False) for one in outcomes),
        **sums,
        "seconds": seconds,
        "houses": [one.to_json() for one in outcomes],
        "options": options.to_json(),
        **machine(),
    }


def not_hit(options: ChaosOptions, sums: dict[str, Any]) -> list[str]:
    """Findings: every kind and every point of the plan must have been hit, in whichever house."""
    points = points_of(options.engine) if options.points is None else options.points
    unhit = [name for name in points if POINTS[name].kind in options.kinds and not sums["kills_by_point"].get(name)]
    missed = {name: [one for one in sums["missed"] if f" {name})" in one] for name in unhit}
    found = [f"no {kind} was killed" for kind in options.kinds if not sums["kills_by_kind"].get(kind)]
    found += [f"nobody was killed at {name} ({'; '.join(misses)})" for name, misses in missed.items() if misses]
    if untried := [name for name, misses in missed.items() if not misses]:
        found.append(f"nobody was killed at these points, no blow came to them: {', '.join(untried)}")
    return found


def _of(one: HouseOutcome, text: str, outcomes: list[HouseOutcome]) -> str:
    """A sentence about one house; where there are several it says which."""
    return text if len(outcomes) == 1 else f"house {one.number} (seed {one.seed}): {text}"
