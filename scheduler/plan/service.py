"""Service levels: the waits and finishes that roles promise, against those of the played day."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.plan.check import ATTENTION, OK, Check, checked
from scheduler.plan.demand import Demand
from scheduler.plan.figures import time_text
from scheduler.plan.played import PlayedDay
from scheduler.registry import Role


def service_checks(day: PlayedDay) -> Iterator[Check]:
    """One line per promise that the day would break."""
    roles = {one.role.name: one.role for one in day.wanted}
    promising = [role for role in roles.values() if role.start_within_s is not None or role.finish_factor is not None]
    if not promising:
        yield checked("plan service", OK, "sla_none")
        return
    broken = [line for role in promising for line in _broken(role, day)]
    yield from broken or [checked("plan service", OK, "sla_ok", {"roles": sorted(role.name for role in promising)})]


def _broken(role: Role, day: PlayedDay) -> Iterator[Check]:
    mine = [one for one in day.wanted if one.role.name == role.name]
    waits = [start - one.at for one in mine if (start := day.outcomes[one.id].start) is not None]
    if role.start_within_s is not None and waits and max(waits) > role.start_within_s:
        figures = {"role": role.name, "longest_wait_s": round(max(waits), 1), "start_within_s": role.start_within_s}
        yield checked(
            "plan service", ATTENTION, "sla_start", figures, role=role.name, wait=time_text(max(waits)),
            limit=time_text(role.start_within_s),
        )  # fmt: skip
    factors = [factor for one in mine if (factor := _factor(one, day)) is not None]
    if role.finish_factor is not None and factors and max(factors) > role.finish_factor:
        figures = {"role": role.name, "finish_factor": round(max(factors), 2), "promised": role.finish_factor}
        yield checked(
            "plan service", ATTENTION, "sla_finish", figures, role=role.name, factor=f"{max(factors):.1f}",
            limit=f"{role.finish_factor:g}",
        )  # fmt: skip


def _factor(one: Demand, day: PlayedDay) -> float | None:
    """Seconds from wanted to finished, in lengths of the video."""
    finish = day.outcomes[one.id].finish
    return None if finish is None else (finish - one.at) / one.video_s
