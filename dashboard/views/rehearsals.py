"""Load rehearsals: what a day of much demand would do to this house, beside another rehearsal, and what would help."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template
from pydantic import Field

from dashboard.api.body import Query, read_query
from dashboard.auth import caller, require
from dashboard.context import house
from dashboard.errors import WebError

LISTED = 30
CLASSES = ("urgent", "high", "normal", "low")
WAITS = ("p50_wait_s", "p90_wait_s", "p99_wait_s", "longest_wait_s")
# (name, where in the report, form); `less` is better for all of them but those that only say how much there was
FIGURES = (
    ("jobs", "totals", "count"), ("succeeded", "totals", "count"), ("rejected", "totals", "count"), ("failed", "totals", "count"),
    ("degraded", "totals", "count"), ("preemptions", "totals", "count"), ("workers_lost", "totals", "count"),
    ("utilisation", "totals", "share"), ("queue", "peaks", "count"), ("longest_wait_s", "peaks", "time"),
)  # fmt: skip
blueprint = Blueprint("rehearsal_pages", __name__, url_prefix="/dashboard/rehearsals")


class RehearsalQuery(Query):
    """Which rehearsal, beside which other one; without a number the newest."""

    number: int | None = Field(default=None, ge=1, le=2**62)
    beside: int | None = Field(default=None, ge=1, le=2**62, alias="with")


@blueprint.get("/")
@require("see")
def page() -> str:
    """The list, one report, and another beside it; `#rehearsals` is fetched again when one has finished."""
    query, store = read_query(RehearsalQuery), house().reads.store
    listed = store.rehearsals(LISTED)
    number = query.number or (listed[0]["id"] if listed else None)
    one, other = _found(number), _found(query.beside)
    return render_template(
        "rehearsals/page.html",
        nav="plan",
        listed=listed,
        one=one,
        other=other,
        figures=figures(one, other) if one else [],
        waits=waits(one, other) if one else [],
        unlike=unlike(one, other) if one and other else [],
        may_run=caller().may("run_queue"),
    )


def _found(number: int | None) -> dict[str, Any] | None:
    if number is None:
        return None
    row: dict[str, Any] | None = house().reads.store.rehearsal(number)
    if row is None:
        raise WebError(404, "no_rehearsal", f"There is no rehearsal {number}.", field="number", hint="/dashboard/rehearsals/")
    return row


def figures(one: dict[str, Any], other: dict[str, Any] | None) -> list[dict[str, Any]]:
    """name, form, now, before (None where not measured or nothing to compare with)."""
    return [
        {"name": name, "form": form, "now": (one["report"].get(part) or {}).get(name),
         "before": None if other is None else (other["report"].get(part) or {}).get(name)}
        for name, part, form in FIGURES
    ]  # fmt: skip


def waits(one: dict[str, Any], other: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Per class of priority the waits in seconds, each as a share of the longest of them all, and the other's."""
    classes, others = one["report"].get("classes") or {}, (other["report"].get("classes") or {}) if other else {}
    shown = [name for name in (*CLASSES, *sorted(set(classes) - set(CLASSES))) if name in classes]
    most = max((classes[name].get(field) or 0.0 for name in shown for field in WAITS), default=0.0) or 1.0
    return [
        {
            "name": name, "jobs": classes[name].get("jobs"),
            "cells": [
                {"seconds": classes[name].get(field), "share": 100 * (classes[name].get(field) or 0.0) / most,
                 "before": others.get(name, {}).get(field)}
                for field in WAITS
            ],
        }
        for name in shown
    ]  # fmt: skip


def unlike(one: dict[str, Any], other: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """(name, before, now) of what makes the two hard to compare: day, seed, slots, pace, numbers of the policy."""
    now, before = one["report"], other["report"]
    names = ("kind", "day", "seed", "slots", "block_s")
    found = [(name, before.get(name), now.get(name)) for name in names if before.get(name) != now.get(name)]
    policies = before.get("policy") or {}, now.get("policy") or {}
    found += [
        (name, policies[0].get(name), policies[1].get(name))
        for name in sorted({*policies[0], *policies[1]})
        if policies[0].get(name) != policies[1].get(name)
    ]
    return found
