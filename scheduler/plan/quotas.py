"""Quotas of the policy against what a plan asks for: GPU seconds of the day, and jobs queued at one moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from scheduler.core.policy import Policy
from scheduler.core.quotas import KINDS
from scheduler.core.usage import Spent, day_of
from scheduler.plan.check import BAD, OK, Check, checked
from scheduler.plan.demand import Demand
from scheduler.plan.figures import time_text


def quota_checks(wanted: list[Demand], policy: Policy, spent: Spent, slots: int) -> Iterator[Check]:
    """One line per quota that the plan is larger than, whatever the order of its videos.

    `spent`: what is used of today's; `slots`: how many take work.
    """
    broken = [*_too_long(wanted, policy, spent), *_too_many(wanted, policy, slots)]
    yield from broken or [checked("plan quotas", OK, "quotas_ok", {"videos": len(wanted)})]


def _too_long(wanted: list[Demand], policy: Policy, spent: Spent) -> Iterator[Check]:
    """GPU seconds of a day of quotas, of which a plan's day may touch two; told is each subject's fuller one.

    What ended leases have used of it already is gone.
    """
    for kind in KINDS:
        field = f"gpu_s_per_day_per_{kind}"
        limit = getattr(policy, field)
        if limit is None:
            continue
        seconds: dict[tuple[str, int], float] = {}
        for one in wanted:
            subject = _name(one, kind), day_of(one.at, policy)
            seconds[subject] = seconds.get(subject, 0.0) + (one.work_s or 0.0)
        fullest: dict[str, tuple[float, float]] = {}  # all of the day, and what of it is used
        for (name, day), asked in seconds.items():
            used = spent.seconds_of((kind, name), day)
            fullest[name] = max((asked + used, used), fullest.get(name, (0.0, 0.0)))
        for name, (whole, used) in sorted(fullest.items()):
            if whole > limit:
                figures = {
                    "kind": kind, "name": name, "asked": round(whole - used, 1), "used": round(used, 1), "limit": limit,
                    "field": field,
                }  # fmt: skip
                words = {"who": f"{kind} {name}", "asked": time_text(whole - used), "field": field, "limit": time_text(limit)}
                code = "quota_left" if used else "quota_over"
                yield checked("plan quotas", BAD, code, figures, used=time_text(used), **words)


def _too_many(wanted: list[Demand], policy: Policy, slots: int) -> Iterator[Check]:
    """Jobs that come at the very same moment; those that pile up are seen when the day is played."""
    for kind in KINDS:
        field = f"max_queued_per_{kind}"
        limit = getattr(policy, field)
        if limit is None:
            continue
        most: dict[str, int] = {}
        for (name, _), count in Counter((_name(one, kind), one.at) for one in wanted).items():
            most[name] = max(count, most.get(name, 0))
        for name, asked in sorted(most.items()):
            if asked > limit + slots:  # so many of them may start at once
                figures = {"kind": kind, "name": name, "asked": asked, "limit": limit, "field": field}
                words = {"who": f"{kind} {name}", "asked": asked, "field": field, "limit": limit}
                yield checked("plan quotas", BAD, "quota_over", figures, **words)


def _name(one: Demand, kind: str) -> str:
    return {"user": one.user, "team": one.role.team, "role": one.role.name}[kind]
