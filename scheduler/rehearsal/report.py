"""A rehearsal's report, and what two of them have to say about each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from scheduler.core.policy import Policy
from scheduler.plan.studio import Studio
from scheduler.rehearsal.degradations import degradations
from scheduler.rehearsal.simulated import Rehearsed, rehearse
from scheduler.rehearsal.sources import Source
from scheduler.rehearsal.suggestions import suggestions

COMPARED = (
    ("jobs", "jobs"), ("succeeded", "done"), ("failed", "failed"), ("rejected", "turned away"), ("mean_wait_s", "mean wait"),
    ("p50_wait_s", "p50 wait"), ("p99_wait_s", "p99 wait"), ("preemptions", "preemptions"), ("workers_lost", "workers lost"),
    ("utilisation", "use of the slots"), ("degraded", "lowered"),
)  # fmt: skip


def simulated_report(source: Source, studio: Studio, slots: int, seed: int, *, has_suggestions: bool = True) -> dict[str, Any]:
    """Rehearse a day in simulation and say what it teaches."""
    policy = replace(studio.policy, slot_memory_bytes=None)  # sizes are looked at apart, see `degradations`

    def attempt(other: Policy, other_slots: int) -> Rehearsed:
        return rehearse(source, other_slots, other, seed)

    day = attempt(policy, slots)
    lowered = degradations(source.trace, studio.policy, studio.model, studio.kv)
    found = suggestions(day, policy, slots, attempt) if has_suggestions else []
    return {
        "kind": "simulated", "day": source.name, "seed": seed, "slots": slots, "block_s": round(source.block_s, 4),
        "block_s_basis": source.basis, "faults": len(source.trace.faults),
        "totals": {**day.totals, "degraded": lowered["lowered"]}, "classes": day.classes, "peaks": day.peaks,
        "degradations": lowered, "suggestions": [one.to_json() for one in found], "policy": studio.policy.to_mapping(),
    }  # fmt: skip


def compared(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Figures of two reports side by side: `name`, `words`, `before` (of `other`), `now`, `change`; None is not measured."""
    rows = [_row(name, words, other["totals"].get(name), one["totals"].get(name)) for name, words in COMPARED]
    for name in dict.fromkeys([*one["classes"], *other["classes"]]):
        for field in ("p50_wait_s", "p99_wait_s"):
            before, now = (side["classes"].get(name, {}).get(field) for side in (other, one))
            rows.append(_row(f"{name}.{field}", f"{name}, {field[:3]} wait", before, now))
    for field, words in (("queue", "longest queue"), ("longest_wait_s", "longest wait")):
        rows.append(_row(f"peaks.{field}", words, other["peaks"].get(field), one["peaks"].get(field)))
    return rows


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What makes the two hard to compare: another day, seed, kind, number of slots, or (where both have them) policy numbers."""
    found = [
        f"{name}: {_told(other.get(name))} → {_told(one.get(name))}"
        for name in ("kind", "day", "seed", "slots", "block_s")
        if one.get(name) != other.get(name)
    ]
    now, before = one.get("policy"), other.get("policy")
    if now is None or before is None:  # a live rehearsal is played under the house's policy as it is
        return found
    return found + [
        f"policy {name}: {_told(before.get(name))} → {_told(now.get(name))}"
        for name in sorted({*now, *before})
        if now.get(name) != before.get(name)
    ]


def _told(value: object) -> object:
    """A number that the policy of the day did not have, or left without a limit, is not set."""
    return "not set" if value is None else value


def _row(name: str, words: str, before: float | None, now: float | None) -> dict[str, Any]:
    change = None if before is None or now is None else round(now - before, 3)
    return {"name": name, "words": words, "before": before, "now": now, "change": change}
