"""How figures are written for people: times in the configured zone, durations, sizes, shares. `None` is a dash."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from scheduler.clock import house_now

NONE = "–"
_JOB = re.compile(r"\bj[a-z0-9]{12}\b")


def _now() -> datetime:
    """The house's time: what it shows is today by that."""
    return datetime.fromtimestamp(house_now(), UTC)


def zone_of(name: str) -> tzinfo | None:
    """The named zone; None is the machine's own."""
    return ZoneInfo(name) if name else None


def moment(value: float | str | None) -> datetime | None:
    """Seconds since 1970 or the audit's UTC text as a time."""
    if value is None:
        return None
    if isinstance(value, str):
        return datetime.fromisoformat(value.replace("Z", "+00:00"))
    return datetime.fromtimestamp(value, UTC)


def clock(value: float | str | None, zone: tzinfo | None = None) -> str:
    """`09:00:05`, with the day in front when it is not today."""
    at = moment(value)
    if at is None:
        return NONE
    local = at.astimezone(zone)
    is_today = local.date() == _now().astimezone(zone).date()
    return local.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M:%S")


def hour(value: float, zone: tzinfo | None = None) -> str:
    """`09:05` of seconds since 1970, in the given zone."""
    return datetime.fromtimestamp(value, UTC).astimezone(zone).strftime("%H:%M")


def window(ends: list[int] | None, zone: tzinfo | None = None) -> str:
    """`16:10–16:12` of two whole seconds since 1970; seconds where they are not whole minutes, the day when it is not today."""
    if ends is None:
        return NONE
    today = _now().astimezone(zone).date()
    low, high = (datetime.fromtimestamp(at, UTC).astimezone(zone) for at in ends)
    fine = "%H:%M:%S" if any(at % 60 for at in ends) else "%H:%M"
    first = low.strftime(fine if low.date() == today else f"%m-%d {fine}")
    last = high.strftime(fine if high.date() == low.date() else f"%m-%d {fine}")
    return first if low == high else f"{first}–{last}"


def utc(value: float | str | None) -> str:
    """`2026-11-21T09:00:00Z`, for tooltips and machines."""
    at = moment(value)
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration(seconds: float | None) -> str:
    """`0.42 s`, `12 s`, `3:05`, `2:03:05`; a whole number has no decimals: nobody measured them."""
    if seconds is None:
        return NONE
    if seconds < 10 and not isinstance(seconds, int):
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def milliseconds(value: float) -> str:
    """`147 ms`; a second and more as `duration` says it."""
    return f"{value:.0f} ms" if value < 1000 else duration(value / 1000)


def moment_of(seconds: float | None) -> str:
    """`0:03.2`, `1:02:03.4`: a moment of a video, in tenths."""
    if seconds is None:
        return NONE
    tenths = round(10 * seconds)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    text = f"{minutes:02d}" if hours else str(minutes)
    return f"{f'{hours}:' if hours else ''}{text}:{rest // 10:02d}.{rest % 10}"


def size(count: float | None) -> str:
    """Bytes as B, KiB, MiB or GiB, about three digits."""
    if count is None:
        return NONE
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if value < 1000:
            break
        value, unit = value / 1024, larger
    digits = 0 if unit == "B" or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f} {unit}"


def percent(value: float | None) -> str:
    """`42 %`."""
    return NONE if value is None else f"{value:.0f} %"


def offset_minutes(zone: tzinfo | None) -> int:
    """The zone's present distance from UTC, for the scripts."""
    distance = _now().astimezone(zone).utcoffset()
    return 0 if distance is None else round(distance.total_seconds() / 60)


def linked(text: str) -> Markup:
    """A sentence in which the jobs that it names are links; everything else stays text."""
    return Markup(_JOB.sub(lambda found: f'<a href="/dashboard/jobs/{found[0]}">{found[0]}</a>', str(escape(text))))
