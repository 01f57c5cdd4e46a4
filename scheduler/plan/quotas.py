"""Quotas of the policy against what a plan asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from scheduler.core.policy import Policy
from scheduler.plan.check import BAD, OK, Check, checked
from scheduler.plan.demand import Demand


def quota_checks(wanted: list[Demand], policy: Policy) -> Iterator[Check]:
    """One line per quota that the plan is larger than, whatever the order of its videos."""
    broken = list(_broken(wanted, policy))
    yield from broken or [checked("plan quotas", OK, "quotas_ok", {"videos": len(wanted)})]


def _broken(wanted: list[Demand], policy: Policy) -> Iterator[Check]:
    at_once: Counter[tuple[str, float]] = Counter((one.user, one.at) for one in wanted)
    for (user, _), asked in sorted(at_once.items()):
        limit = policy.max_queued_per_user
        if asked > limit:
            figures = {"user": user, "asked": asked, "limit": limit, "field": "max_queued_per_user"}
            yield checked("plan quotas", BAD, "quota_over", figures, who=user, **_words(figures))


def _words(figures: dict[str, object]) -> dict[str, object]:
    return {name: figures[name] for name in ("asked", "limit", "field")}
