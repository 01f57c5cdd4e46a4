"""A plan's check as a drawing: windows, when videos would really be made, and how full each quarter-hour is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dashboard.timeline import place, ticks_of

QUARTER_S = 900.0
STATES = ("bad", "unknown", "attention", "ok")  # the worst first
Row = dict[str, Any]


@dataclass(frozen=True)
class Stretch:
    """A bar in percent of the axis. `kind`: window, made, late."""

    kind: str
    left: float
    width: float
    since: float
    until: float


@dataclass(frozen=True)
class PlanDrawing:
    """`entries`: (entry, stretches) in the plan's order; `quarters`: each with left, width, played and wanted in percent."""

    zone: tzinfo | None
    entries: list[tuple[Row, list[Stretch]]]
    quarters: list[Row]
    ticks: list[tuple[float, float]]


def draw(report: Row) -> PlanDrawing | None:
    """None where the report has no entries: nothing was filed, or the file had mistakes."""
    entries = report.get("entries") or []
    if not entries:
        return None
    zone, day = _zone(report.get("zone") or ""), date.fromisoformat(report["day"])
    windows = [_window(entry["window"], day, zone) for entry in entries]
    made = [times for entry in entries if (times := _made(entry))]
    since = min(low for low, _ in windows + made)
    until = max(high for _, high in windows + made)
    since, until = since // QUARTER_S * QUARTER_S, -(-until // QUARTER_S) * QUARTER_S

    def stretch(kind: str, low: float, high: float) -> Stretch:
        left = place(low, since, until)
        return Stretch(kind, left, round(max(0.0, place(high, since, until) - left), 3), low, high)

    drawn = []
    for entry, (low, high) in zip(entries, windows, strict=True):
        bars = [stretch("window", low, high)]
        if times := _made(entry):
            begun, ended = times
            if begun < high:
                bars.append(stretch("made", begun, min(ended, high)))
            if ended > high:
                bars.append(stretch("late", max(begun, high), ended))
        drawn.append((entry, bars))
    quarters = [_quarter(row, since, until) for row in report.get("quarters") or []]
    return PlanDrawing(zone, drawn, quarters, ticks_of(since, until))


def _made(entry: Row) -> tuple[float, float] | None:
    """When the first of an entry's videos starts and the last one ends; None where nobody could tell, or one is never done."""
    begun, ended = entry.get("starts_at"), entry.get("finishes_at")
    return (begun, ended) if begun and ended else None


def of_entry(report: Row, number: int) -> list[Row]:
    """What the check says about one entry, the worst first."""
    found = [check for check in report["checks"] if check["data"].get("entry") == number]
    return sorted(found, key=lambda check: STATES.index(check["state"]))


def of_house(report: Row) -> list[Row]:
    """What the check says about everything else, the worst first; what is fine comes last."""
    found = [check for check in report["checks"] if "entry" not in check["data"]]
    return sorted(found, key=lambda check: STATES.index(check["state"]))


def _quarter(row: Row, since: float, until: float) -> Row:
    capacity = row["capacity_s"] or 1.0
    left = place(row["starts_at"], since, until)
    width = round(place(row["starts_at"] + QUARTER_S, since, until) - left, 3)
    shares = {name: round(min(100.0, 100 * row[f"{name}_s"] / capacity), 1) for name in ("wanted", "played")}
    return {**row, "left": left, "width": width, **shares, "wanted_share": 100 * row["wanted_s"] / capacity}


def _zone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        return None


def _window(text: str, day: date, zone: tzinfo | None) -> tuple[float, float]:
    first, last = (_moment(part, day, zone) for part in text.split("-"))
    return first, last


def _moment(text: str, day: date, zone: tzinfo | None) -> float:
    hours, minutes = (int(part) for part in text.split(":"))
    whole = day + timedelta(days=hours // 24)
    at = datetime.combine(whole, time(hours % 24, minutes))
    return (at.replace(tzinfo=zone) if zone else at).timestamp()
