"""What a role promises (`sla` in roles.yaml), and how often its finished jobs of a span kept it."""

from __future__ import annotations

from typing import Any

from dashboard.reads import Reads
from dashboard.span import Span
from engine.catalog import FPS

Promise = dict[str, Any]


def promises(reads: Reads, role: str, body: dict[str, Any], span: Span) -> list[Promise]:
    """rule (`start_within_s`, `finish_factor`), limit, kept and of (jobs), percent (None without jobs). `body`: of the role."""
    if all(body.get(rule) is None for rule in ("start_within_s", "finish_factor")):
        return []
    done = reads.store.role_done(role, span.since, span.until)
    measured = {
        "start_within_s": [job["started_at"] - job["asked_at"] for job in done if job["started_at"]],
        "finish_factor": [(job["finished_at"] - job["asked_at"]) * FPS / job["frames"] for job in done if job["frames"]],
    }
    found = []
    for rule, values in measured.items():
        if (limit := body.get(rule)) is not None:
            kept = sum(value <= limit for value in values)
            found.append({
                "rule": rule, "limit": limit, "kept": kept, "of": len(values),
                "percent": 100 * kept / len(values) if values else None,
            })  # fmt: skip
    return found
