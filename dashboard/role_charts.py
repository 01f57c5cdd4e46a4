"""A role's history as data for charts: seconds per block, seconds per video, memory peaks, switches, quality."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dashboard import i18n
from dashboard.formats import duration
from dashboard.healing import seconds
from dashboard.reads import Reads
from dashboard.span import Span
from engine.catalog import FPS
from scheduler.core.quality import BAD, GOOD, LOOK

MOST = 500
GIB = 1 << 30
Chart = dict[str, Any]


def blocks(reads: Reads, role: str, span: Span) -> Chart:
    """Seconds of computing per block, and the seconds of video that one block is."""
    rows = [row for row in reads.store.role_blocks(role, MOST) if span.since <= row["made_at"] < span.until]
    trace = _points(rows, "made_at", "seconds", [f"{row['job_id']} · {row['block']}" for row in rows])
    return {**_frame([{"kind": "block_seconds", **trace}], "s", span), "realtime": rows[-1]["frames"] / FPS if rows else None}


def videos(reads: Reads, role: str, span: Span) -> Chart:
    """Seconds from a job's first start to its end, by the time it was finished."""
    rows = [
        {**row, "took": row["finished_at"] - row["started_at"]}
        for row in reads.store.role_done(role, span.since, span.until, MOST) if row["started_at"]
    ]  # fmt: skip
    words = [i18n.words("chart.of_video", id=row["id"], length=duration((row["frames"] or 0) / FPS)) for row in rows]
    return _frame([{"kind": "video_seconds", **_points(rows, "finished_at", "took", words)}], "s", span)


def memory(reads: Reads, role: str, span: Span) -> Chart:
    """The most memory that each finished job held on its device."""
    rows = [
        {**row, "peak": round(row["peak_bytes"] / GIB, 3)}
        for row in reads.store.role_done(role, span.since, span.until, MOST) if row["peak_bytes"]
    ]  # fmt: skip
    return _frame([{"kind": "peak", **_points(rows, "finished_at", "peak", [row["id"] for row in rows])}], "GiB", span)


def switches(reads: Reads, role: str, span: Span) -> Chart:
    """Milliseconds of each switch to the role, one line of dots per tier."""
    rows = [
        {**row["body"], "at": seconds(row["at_utc"])}
        for row in reads.store.deeds_of(f"role:{role}", "role:switched", span.since, MOST)
    ]
    tiers = sorted({row["tier"] for row in rows})
    traces = []
    for tier in tiers:
        mine = [row for row in rows if row["tier"] == tier and row["at"] < span.until]
        words = [i18n.words("chart.switched", slot=row["slot"], prepare=f"{row['prepare_ms']:.0f}") for row in mine]
        traces.append({"kind": f"tier_{tier}", **_points(mine, "at", "switch_ms", words)})
    return _frame(traces, "ms", span)


def lips(reads: Reads, role: str, span: Span) -> Chart:
    """By how many seconds the mouth is late (or, below zero, early) in each measured video, and the red lines."""
    limits = _limits(reads, "lip_offset_s", 1)
    return _scores(reads, role, span, "lip_offset_s", 1, "s", limits + [(-at, level) for at, level in limits])


def blur(reads: Reads, role: str, span: Span) -> Chart:
    """Percent of blurred frames in each measured video, and the red line."""
    return _scores(reads, role, span, "blurred_ratio", 100, "%", _limits(reads, "blurred_ratio", 100))


def _limits(reads: Reads, measure: str, factor: float) -> list[tuple[float, str]]:
    marks = reads.store.quality_policy().marks[measure]
    return [(factor * at, level) for at, level in ((marks.bad_above, "above"), (marks.look_above, "near")) if at is not None]


def _scores(
    reads: Reads, role: str, span: Span, measure: str, factor: float, unit: str, limits: list[tuple[float, str]]
) -> Chart:
    """One line of dots per word; the axis shows the dots and the red lines."""
    policy = reads.store.quality_policy()
    rows = [
        {**row, "shown": round(factor * row[measure], 4), "word": policy.word(measure, row[measure])}
        for row in reads.store.role_quality(role, span.since, span.until, MOST) if row[measure] is not None
    ]  # fmt: skip
    traces = []
    for word in (GOOD, LOOK, BAD):
        mine = [row for row in rows if row["word"] == word]
        if mine:
            traces.append({"kind": word, **_points(mine, "finished_at", "shown", [row["job_id"] for row in mine])})
    lines = [{"at": at, "level": level} for at, level in limits]
    reached = [row["shown"] for row in rows] + [at for at, _ in limits] + [0.0]
    room = 0.1 * (max(reached) - min(reached)) or 1.0
    shown = [round(min(reached) - (room if min(reached) < 0 else 0.3 * room), 4), round(max(reached) + room, 4)]
    return {**_frame(traces, unit, span), "lines": lines, "range": shown}


def _points(rows: list[dict[str, Any]], at: str, value: str, text: list[str]) -> Chart:
    return {"x": [round(row[at] * 1000) for row in rows], "y": [row[value] for row in rows], "text": text}


def _frame(traces: list[Chart], unit: str, span: Span) -> Chart:
    times = [at for trace in traces for at in trace["x"] if not isinstance(at, str)]
    is_empty = not any(trace["x"] for trace in traces)
    since = span.shown_since(min(times) / 1000 if times else None)
    return {"traces": [] if is_empty else traces, "unit": unit, "since": since * 1000, "until": span.until * 1000,
            "is_live": span.is_live}  # fmt: skip


CHARTS: dict[str, Callable[[Reads, str, Span], Chart]] = {
    "blocks": blocks, "videos": videos, "memory": memory, "switches": switches, "lips": lips, "blur": blur,
}  # fmt: skip


def spread(reads: Reads, roles: list[str], span: Span) -> Chart:
    """Seconds of computing per block, all roles beside each other: one box per role that made blocks in the span."""
    traces = []
    for role in roles:
        rows = [row for row in reads.store.role_blocks(role, MOST) if span.since <= row["made_at"] < span.until]
        if rows:
            traces.append({"kind": "spread", "name": role, "x": [role] * len(rows), "y": [row["seconds"] for row in rows]})
    return _frame(traces, "s", span)
