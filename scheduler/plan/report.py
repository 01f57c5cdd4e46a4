"""A day plan held against the house: all checks, the played day by quarter-hours, and what would make misfits fit."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from scheduler.plan.change import Change, tried_words
from scheduler.plan.changes import Search, remedy_of
from scheduler.plan.check import ATTENTION, BAD, OK, UNKNOWN, Check, checked
from scheduler.plan.demand import Demand, demand_of
from scheduler.plan.disk import disk_check, learnt_rate
from scheduler.plan.entry import Calendar, DayPlan, Entry
from scheduler.plan.figures import time_text
from scheduler.plan.played import Play, PlayedDay, Stage
from scheduler.plan.quarters import Quarter, quarters_of
from scheduler.plan.quotas import quota_checks
from scheduler.plan.sentences import Words, sentence
from scheduler.plan.service import service_checks
from scheduler.plan.statics import (
    adapter_check,
    asset_checks,
    context_check,
    day_check,
    memory_check,
    pace_checks,
    relation_checks,
    request_checks,
    version_check,
)
from scheduler.plan.studio import Studio

SCATTERED_DAYS = 5
EVENTS_PLAYED = 1_000_000  # of all days that the searches may play together: some ten seconds
MOST_DAYS, FEWEST_DAYS = 300, 24  # for one misfit
EVENTS_PER_VIDEO = 6


@dataclass(frozen=True, kw_only=True)
class PlanReport:
    """Everything that a check found out. `quarters` and `changes` are empty where nothing could be played."""

    plan: DayPlan
    calendar: Calendar
    checks: list[Check]
    entries: list[dict[str, Any]]
    quarters: list[Quarter]
    repair: dict[str, Any] | None
    days_played: int

    def to_json(self) -> dict[str, Any]:
        """Plain data, without verdict and time: those belong to the whole check."""
        return {
            "day": self.calendar.day.isoformat(), "zone": str(self.calendar.zone), "plan_sha256": self.plan.sha256,
            "videos": self.plan.videos, "entries": self.entries,
            "quarters": [quarter.to_json() for quarter in self.quarters], "repair": self.repair,
            "days_played": self.days_played,
        }  # fmt: skip


def check_plan(plan: DayPlan, studio: Studio, play: Play, jobs_dir: Path) -> PlanReport:
    """Hold a plan against a studio."""
    calendar, today = Calendar.of(plan, studio.now, studio.zone), Calendar.of(DayPlan(entries=()), studio.now, studio.zone)
    first = day_check(plan, calendar, today)
    checks = [first]
    if studio.drained and calendar.day > today.day:
        figures = {"drained": len(studio.drained), "slots": studio.slots}
        checks.append(checked("plan slots", ATTENTION, "slots_drained_now", figures, day=calendar.day, **figures))
        studio = replace(studio, drained=frozenset())
    wanted, refused = demand_of(plan.entries, calendar, studio)
    if first.state == BAD:
        return _report(plan, calendar, checks, {entry.number for entry in plan.entries})
    checks += request_checks(refused)
    without = {refusal.entry.number for refusal in refused}
    if wanted:
        checks += _static_checks(wanted, studio, jobs_dir)
    stage = Stage(studio, calendar, play)
    if not studio.usable_slots:
        code = "time_all_drained" if studio.slots else "time_no_slots"
        checks.append(checked("plan time", BAD, code, {"slots": studio.slots, "drained": len(studio.drained)}))
        return _report(plan, calendar, checks, without)
    if any(one.pace is None for one in wanted):
        checks.append(checked("plan service", UNKNOWN, "sla_unknown"))
        return _report(plan, calendar, checks, without)
    day = stage.day(plan.entries)
    quarters = _quarters(day, studio, calendar)
    if wanted:
        checks += [_time_check(day, studio, quarters), *service_checks(day)]
    entries, repair = _judged(stage, day)
    checks += _entry_checks(day, entries, stage)
    return PlanReport(
        plan=plan, calendar=calendar, checks=checks, entries=entries, quarters=quarters, repair=repair, days_played=stage.runs
    )


def _report(plan: DayPlan, calendar: Calendar, checks: list[Check], refused: Set[int] = frozenset()) -> PlanReport:
    """The report of a plan that could not be played."""
    entries = [
        {**entry.to_json(), "fits": False if entry.number in refused else None, "changes": [], "days_played": 0,
         "is_search_cut_short": False, "remedy": None, "search": None, "starts_at": None, "finishes_at": None,
         "longest_wait_s": None}
        for entry in plan.entries
    ]  # fmt: skip
    return PlanReport(plan=plan, calendar=calendar, checks=checks, entries=entries, quarters=[], repair=None, days_played=0)


def _static_checks(wanted: list[Demand], studio: Studio, jobs_dir: Path) -> Iterator[Check]:
    roles = list({one.role.name: one.role for one in wanted}.values())
    yield from asset_checks(roles, studio)
    yield adapter_check(roles, studio)
    yield version_check(roles, studio)
    yield memory_check(wanted, studio)
    yield context_check(wanted, studio)
    yield from pace_checks(wanted, studio)
    yield disk_check(wanted, studio, learnt_rate(studio, jobs_dir))
    yield from quota_checks(wanted, studio.policy, studio.spent, studio.usable_slots)
    yield from relation_checks(wanted)


def _time_check(day: PlayedDay, studio: Studio, quarters: list[Quarter]) -> Check:
    work = sum(one.work_s or 0.0 for one in day.wanted)
    fullest = max(quarters, key=lambda quarter: quarter.ratio)
    overfull = [quarter.text for quarter in quarters if quarter.is_overfull]
    figures = {
        "work_s": round(work, 1), "slots": studio.usable_slots, "fullest": fullest.text,
        "fullest_ratio": round(fullest.ratio, 3), "overfull": overfull,
    }  # fmt: skip
    return checked(
        "plan time", OK, "time_ok", figures, work=time_text(work), slots=studio.usable_slots,
        quarter=fullest.text, ratio=f"{fullest.ratio:.0%}",
    )  # fmt: skip


def _quarters(day: PlayedDay, studio: Studio, calendar: Calendar) -> list[Quarter]:
    wanted = [(one.at, one.at + (one.work_s or 0.0)) for one in day.wanted]
    played = [span for outcome in day.outcomes.values() for span in outcome.spans]
    slots = set(range(studio.slots)) - studio.drained
    return quarters_of(wanted, played, slots, studio.now, calendar.text, studio.policy.windows)


def _judged(stage: Stage, day: PlayedDay) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Each entry with what becomes of it, and for misfits the changes; then one change each, all together."""
    misfits = day.misfits()
    days = max(FEWEST_DAYS, min(MOST_DAYS, EVENTS_PLAYED // _events(day) // max(1, 2 * len(misfits))))
    scattered = [stage.day(day.entries, scatter).misfits() for scatter in range(1, SCATTERED_DAYS + 1)]
    judged = []
    for entry in day.entries:
        search = Search(stage, days)
        before = stage.runs
        changes = search.changes(day, entry.number) if entry.number in misfits else []
        remedy = remedy_of(day, entry.number, stage) if not changes else None
        judged.append({
            **entry.to_json(), "fits": entry.number not in misfits, **_times(day, entry),
            "tight_days": sum(entry.number in late for late in scattered), "scattered_days": SCATTERED_DAYS,
            "changes": [change.to_json() for change in changes], "days_played": stage.runs - before,
            "is_search_cut_short": search.is_cut_short, "remedy": _plain(remedy),
            "search": _plain(_search_words(search, bool(changes), stage.runs - before)),
        })  # fmt: skip
    return judged, _repaired(stage, day, days * len(misfits)) if misfits else None


def _search_words(search: Search, has_changes: bool, days: int) -> Words | None:
    """What was tried, where that is all there is to say, or where the search ended early."""
    if not search.tried or (has_changes and not search.is_cut_short):
        return None
    return sentence("cut_short" if search.is_cut_short else "no_change", days=days, tried=tried_words(search.tried))


def _plain(words: Words | None) -> dict[str, str] | None:
    return None if words is None else {"text": words["en"], "zh": words["zh"]}


def _events(day: PlayedDay) -> int:
    """About how many events playing a day takes: its blocks, its videos, and a tick per second while anything is open."""
    finishes = [outcome.finish for outcome in day.outcomes.values() if outcome.finish is not None]
    span_s = max(finishes) - min(one.at for one in day.wanted) if finishes else 0.0
    busy_s = min(span_s, sum(one.work_s or 0.0 for one in day.wanted))
    return 1 + sum(one.blocks + EVENTS_PER_VIDEO for one in day.wanted) + int(busy_s)


def _repaired(stage: Stage, day: PlayedDay, budget: int) -> dict[str, Any]:
    applied, after = Search(stage, budget).repair(day)
    misfits = after.misfits()
    left = [{"entry": entry.number, "line": entry.line, "role": entry.role} for entry in day.entries if entry.number in misfits]
    return {"changes": [_named(change) for change in applied], "fits": not misfits, "misfits": sorted(misfits), "left": left}


def _named(change: Change) -> dict[str, Any]:
    return {**change.to_json(), "line": change.entry.line, "role": change.entry.role}


def _times(day: PlayedDay, entry: Entry) -> dict[str, Any]:
    """First start, last finish, longest wait and rungs of an entry's videos."""
    mine = [one for one in day.wanted if one.entry.number == entry.number]
    outcomes = [day.outcomes[one.id] for one in mine]
    starts = [outcome.start for outcome in outcomes if outcome.start is not None]
    finishes = [outcome.finish for outcome in outcomes if outcome.finish is not None]
    waits = [outcome.start - one.at for one, outcome in zip(mine, outcomes, strict=True) if outcome.start is not None]
    return {
        "starts_at": min(starts, default=None), "finishes_at": max(finishes, default=None),
        "longest_wait_s": round(max(waits), 1) if waits else None, "late": len(day.late(entry.number)),
        "unfinished": sum(outcome.finish is None for outcome in outcomes),
        "reasons": sorted({outcome.reason for outcome in outcomes if outcome.reason}),
        "rungs": sorted({outcome.rung for outcome in outcomes if outcome.rung}),
        "preemptions": sum(outcome.preemptions for outcome in outcomes),
    }  # fmt: skip


def _entry_checks(day: PlayedDay, entries: list[dict[str, Any]], stage: Stage) -> Iterator[Check]:
    refused = {refusal.entry.number for refusal in day.refused}
    is_good = True
    for entry in entries:
        if entry["number"] in refused or (entry["fits"] and not entry["rungs"] and not entry["tight_days"]):
            continue
        is_good = False
        yield _entry_check(entry, stage.calendar)
    if is_good and day.wanted:
        yield checked("plan entries", OK, "other_entries_ok" if refused else "entries_ok")


def _entry_check(entry: dict[str, Any], calendar: Calendar) -> Check:
    name = f"plan line {entry['line']}, {entry['role']}"
    figures = {"entry": entry["number"], "line": entry["line"]}
    if entry["unfinished"]:
        words = {"count": entry["unfinished"], "all": entry["count"], "reason": "; ".join(entry["reasons"]) or "?"}
        return checked(name, BAD, "never_done", figures, **words)
    if not entry["fits"]:
        closes = entry["window"].partition("-")[2]
        finish = calendar.text(entry["finishes_at"], has_seconds=True)
        words = {"late": entry["late"], "count": entry["count"], "closes": closes, "finish": finish}
        return checked(name, BAD, "late", figures, **words)
    if entry["rungs"]:
        return checked(name, ATTENTION, "degraded", figures, rung=", ".join(entry["rungs"]))
    return checked(name, ATTENTION, "tight", figures, runs=entry["tight_days"], of=entry["scattered_days"])


def change_line(entry: dict[str, Any]) -> str:
    """What would make a misfit fit, on one line of English."""
    parts = [" / ".join(change["text"] for change in entry["changes"])] if entry["changes"] else []
    if entry["remedy"]:
        parts.append(sentence("remedy", what=entry["remedy"]["text"])["en"])
    return "; ".join([*parts, *([entry["search"]["text"]] if entry["search"] else [])])


def checks_json(checks: list[Check]) -> list[dict[str, Any]]:
    """Checks as plain data."""
    return [asdict(check) for check in checks]
