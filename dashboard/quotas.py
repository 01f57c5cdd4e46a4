"""Quotas of the policy: who has one, how much of it is used now, and when the day's seconds are counted anew."""

from __future__ import annotations

from collections import Counter
from typing import Any

from dashboard.reads import Reads
from scheduler.clock import house_now
from scheduler.core.quotas import KINDS, limit_of
from scheduler.core.usage import Spent

RULES = ("queued", "running", "gpu_s_per_day")
MOST = 20


def quotas(reads: Reads, now: float | None = None) -> list[dict[str, Any]]:
    """kind, name, rule, limit, used, share (percent) and until (of a day's seconds); the fullest first.

    A day's seconds are those of leases that ended today and of jobs that run now, without what open jobs will still need.
    """
    at, policy = house_now() if now is None else now, reads.policy()
    limits = {(rule, kind): limit for rule in RULES for kind in KINDS if (limit := limit_of(policy, rule, kind)) is not None}
    if not limits:
        return []
    waiting, running = reads.store.waiting_jobs(), reads.store.running()
    spent = Spent.from_mapping((reads.store.fact("shares") or {}).get("spent"))
    spent.turn(at, policy)
    found: list[dict[str, Any]] = []
    for (rule, kind), limit in limits.items():
        used: Counter[str] = Counter()
        if rule == "queued":
            used.update(str(getattr(job, kind)) for job in waiting)
        elif rule == "running":
            used.update(str(job[kind]) for job in running)
        else:
            used.update({name: ms / 1000 for (one, name), ms in spent.ms.items() if one == kind})  # type: ignore[arg-type]
        found += [
            {"kind": kind, "name": name, "rule": rule, "limit": limit, "used": count,
             "share": 100 * count / limit if limit else 100.0,
             "until": spent.ends_at(policy) if rule == "gpu_s_per_day" else None}
            for name, count in used.items() if count
        ]  # fmt: skip
    return sorted(found, key=lambda row: -row["share"])[:MOST]
