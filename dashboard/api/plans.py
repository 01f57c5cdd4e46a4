"""Day plans, their checks and load rehearsals: what was kept, and asking for more."""

from __future__ import annotations

import datetime
from typing import Any

from flask import Blueprint, Response, jsonify
from pydantic import BaseModel, Field

from dashboard.api.body import Body, Query, read_body, read_query
from dashboard.api.openapi import documented
from dashboard.auth import caller, require
from dashboard.context import house
from dashboard.door import door
from dashboard.errors import WebError
from dashboard.formats import zone_of
from dashboard.refusals import in_chinese
from scheduler.clock import house_now

blueprint = Blueprint("plans", __name__)
LISTED = 50
_HIDDEN = {"en": "it would be refused at submission", "zh": "提交会被拒绝"}


class DayQuery(Query):
    """Which day; without it, today in the studio's zone."""

    day: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$", description="such as 2026-11-23")


class PlanText(Body):
    """A day plan as its file has it."""

    text: str = Field(min_length=1, max_length=262_144)
    kind: str = Field(default="yaml", description="yaml or csv")


class CheckPlan(Body):
    """A plan to check; without a text, the one that is filed for today."""

    text: str | None = Field(default=None, min_length=1, max_length=262_144)
    kind: str = Field(default="yaml", description="yaml or csv")


class Rehearse(Body):
    """Which day to simulate."""

    day: str = Field(default="peak", max_length=40, description="peak, history (the busiest day), or a day of the past")
    seed: int = Field(default=0, ge=0, le=2**31)


class PlanCheck(BaseModel):
    """A check's report: `verdict` fits, fits_degraded, does_not_fit, cannot_tell; `exit_code` 0, 10, 11, 12."""

    number: int
    at: float = Field(description="seconds since 1970")
    by: str
    day: str
    verdict: str
    exit_code: int
    plan_sha256: str | None
    checks: list[dict[str, Any]] = Field(description="name, state (ok, attention, bad, unknown), text, zh, data")
    entries: list[dict[str, Any]] = Field(description="each with fits, finishes_at, longest_wait_s, changes")
    quarters: list[dict[str, Any]] = Field(description="GPU seconds wanted, played and there, per quarter-hour")
    repair: dict[str, Any] | None = Field(default=None, description="one change per misfit, and whether all fits then")


class Rehearsal(BaseModel):
    """A rehearsal's report."""

    number: int
    kind: str = Field(description="simulated or live")
    day: str
    totals: dict[str, Any]
    classes: dict[str, Any] = Field(description="waits per class of priority")
    peaks: dict[str, Any]
    suggestions: list[dict[str, Any]]


@blueprint.get("/plan")
@documented("plan", query=DayQuery)
@require("see_words")
def get_plan() -> Response:
    """The plan that is filed for a day, as it was written, and the days that have one."""
    wanted = day_of(read_query(DayQuery))
    store = house().reads.store
    row = store.filed_plan(wanted)
    if row is None:
        raise WebError(404, "no_plan", f"No plan is filed for {wanted}.", field="day", hint="File one: PUT /plan.")
    return jsonify({**row, "days": [plan["day"] for plan in store.filed_plans(LISTED)]})


@blueprint.put("/plan")
@documented("plan", body=PlanText)
@require("edit_roles")
def put_plan() -> Response:
    """File a day's plan; the one filed before for that day is replaced. 422 names every mistake with its line."""
    wish = read_body(PlanText)
    return jsonify(door().file_plan(wish.text, wish.kind))


@blueprint.get("/plan/check")
@documented("plan", query=DayQuery, gives=PlanCheck)
@require("see")
def get_check() -> Response:
    """The newest check of a day, made at 10:00 or by hand; 404 while there is none."""
    wanted = day_of(read_query(DayQuery))
    row = house().reads.store.plan_check(wanted)
    if row is None:
        raise WebError(404, "no_check", f"Nothing was checked for {wanted} yet.", field="day", hint="POST /plan/check.")
    return jsonify(shown_report({**row["report"], "number": row["id"], "by": row["actor"], "at": row["at"]}))


@blueprint.post("/plan/check")
@documented("plan", body=CheckPlan, gives=PlanCheck)
@require("edit_roles")
def check() -> tuple[Response, int]:
    """Check a plan against the house now; the report is kept. 202 where it takes longer: read it at GET /plan/check."""
    wish = read_body(CheckPlan)
    answer = door().check_plan(wish.text, wish.kind)
    return jsonify(shown_report(answer)), 202 if answer.get("is_running") else 200


@blueprint.get("/rehearsals")
@documented("rehearsals")
@require("see")
def list_rehearsals() -> Response:
    """The rehearsals that were kept, newest first."""
    return jsonify({"rehearsals": house().reads.store.rehearsals(LISTED)})


@blueprint.get("/rehearsals/<int:number>")
@documented("rehearsals", gives=Rehearsal)
@require("see")
def get_rehearsal(number: int) -> Response:
    """One rehearsal's report."""
    row = house().reads.store.rehearsal(number) if number < 2**63 else None
    if row is None:
        raise WebError(404, "no_rehearsal", f"There is no rehearsal {number}.", field="number", hint="GET /rehearsals.")
    return jsonify({**row["report"], "number": row["id"], "by": row["actor"], "at": row["at"]})


@blueprint.post("/rehearsals")
@documented("rehearsals", body=Rehearse, gives=Rehearsal)
@require("run_queue")
def rehearse() -> tuple[Response, int]:
    """Simulate a day of load; the report is kept. 202 where it takes longer: it appears at GET /rehearsals."""
    wish = read_body(Rehearse)
    if "/" in wish.day or wish.day.endswith(".jsonl"):
        raise WebError(422, "bad_field", "A file of this machine cannot be named here.", field="day", hint="Use peak or a day.")
    answer = door().rehearse(wish.day, wish.seed)
    return jsonify(answer), 202 if answer.get("is_running") else 200


def day_of(query: DayQuery) -> str:
    """The day that an address names; today in the studio's zone without one. Raises WebError 422."""
    if query.day is None:
        return datetime.datetime.fromtimestamp(house_now(), zone_of(house().settings.zone)).date().isoformat()
    try:
        return datetime.date.fromisoformat(query.day).isoformat()
    except ValueError as error:
        raise WebError(422, "bad_query", f"{query.day} is no day.", field="day", hint="For example 2026-11-23.") from error


def shown_report(report: dict[str, Any]) -> dict[str, Any]:
    """A report for this caller: a refusal's reason may quote a prompt, so only those who may see words get it."""
    if "checks" not in report:
        return report
    told = _reason_in_chinese if caller().may("see_words") else _without_reason
    return {**report, "checks": [told(check) if check["data"].get("code") == "refused" else check for check in report["checks"]]}


def _without_reason(check: dict[str, Any]) -> dict[str, Any]:
    data = {name: value for name, value in check["data"].items() if name != "why"}
    return {**check, "text": _HIDDEN["en"], "zh": _HIDDEN["zh"], "data": data}


def _reason_in_chinese(check: dict[str, Any]) -> dict[str, Any]:
    """The error that a submission would get: its Chinese sentence is the web's to say."""
    why = check["data"].get("why")
    said = why and in_chinese(why["code"], why["field"], why["data"])
    return {**check, "zh": f"{_HIDDEN['zh']}：{said}"} if said else check
