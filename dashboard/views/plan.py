"""The day plan: what a day needs, whether the house can carry it, and the smallest changes that would make it fit."""

from __future__ import annotations

from datetime import date, timedelta

from flask import Blueprint, render_template

from dashboard import day_plan
from dashboard.api.body import read_query
from dashboard.api.plans import DayQuery, day_of, shown_report
from dashboard.auth import caller, require
from dashboard.context import house
from engine.catalog import PRESETS

DAYS_SHOWN = 14
blueprint = Blueprint("plan_pages", __name__, url_prefix="/dashboard/plan")


@blueprint.get("/")
@require("see")
def page() -> str:
    """A day's plan and its newest check; `#plan-result` is fetched again after a check."""
    store, day = house().reads.store, day_of(read_query(DayQuery))
    row, filed = store.plan_check(day), store.filed_plan(day)
    report = None if row is None else shown_report(row["report"])
    whole = date.fromisoformat(day)
    return render_template(
        "plan/page.html",
        nav="plan",
        day=day,
        today=day_of(DayQuery()),
        before=(whole - timedelta(days=1)).isoformat(),
        after=(whole + timedelta(days=1)).isoformat(),
        filed=filed,
        filed_days=[plan["day"] for plan in store.filed_plans(DAYS_SHOWN)],
        check=row,
        report=report,
        drawing=None if report is None else day_plan.draw(report),
        of_entry=day_plan.of_entry,
        of_house=day_plan.of_house,
        may_read=caller().may("see_words"),
        may_edit=caller().may("edit_roles"),
        roles=[role["name"] for role in store.roles() if role["is_available"]],
        presets=list(PRESETS),
    )
