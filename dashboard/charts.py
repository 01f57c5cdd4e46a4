"""Charts as plain data for Plotly: arrays, no templates; colours come from the page's own tokens. Missing readings are gaps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from dashboard import i18n
from dashboard.ahead import AHEAD_S, Promised
from dashboard.marks import marks_of
from dashboard.reads import Reads
from dashboard.span import Span
from dashboard.trouble_marks import ecc_marks, marks_of_span

MAX_POINTS = 720
YOUNG_MS = 120_000  # the shortest span that is shown
SINGLE_S = 3 * 3600.0  # up to here single readings are drawn, beyond it minutes
NAMED_JOBS = 8  # jobs with a colour of their own in the stack
GIB = 1 << 30
HALF_FULL, HEADROOM = 0.5, 1.3

Chart = dict[str, Any]


def devices(reads: Reads, span: Span, promised: Sequence[Promised] = ()) -> Chart:
    """Memory and load of each device in percent, what of it is promised, the marks of the policy, and what happened meanwhile."""
    lines: dict[str, dict[str, list[Any]]] = {}
    step = max(1.0, span.seconds / MAX_POINTS)
    is_single = span.seconds <= SINGLE_S
    rows, totals = _readings(reads, span, step, is_single), dict[str, int]()
    for row in rows:
        line = lines.setdefault(row["device"], {"x": [], "memory": [], "load": []})
        if line["x"] and row["at"] * 1000 - line["x"][-1] > 5000 * max(1.0 if is_single else 60.0, step):
            for name, value in (("x", row["at"] * 1000 - 1), ("memory", None), ("load", None)):
                line[name].append(value)
        used, total = row.get("memory_used_bytes"), row.get("memory_total_bytes")
        totals[row["device"]] = total or totals.get(row["device"], 0)
        line["x"].append(round(row["at"] * 1000))
        line["memory"].append(round(100 * used / total, 2) if used is not None and total else None)
        line["load"].append(_round(row.get("utilization_percent")))
    traces = []
    for device, line in sorted(lines.items()):
        for kind, dash in (("memory", "solid"), ("load", "dot")):
            traces.append({"device": device, "kind": kind, "dash": dash, "x": line["x"], "y": line[kind]})
    frame = _frame(span, traces)
    traces += [trace for one in promised for trace in _ahead_percent(one, totals.get(one.device, 0))]
    events = [*marks_of_span(reads, span), *(ecc_marks(sorted(rows, key=lambda row: row["at"])) if is_single else ())]
    return {
        **frame, **_ahead(span, promised), "unit": "%", "range": [0, 100], "lines": _percent_lines(reads), "events": events,
    }  # fmt: skip


def _ahead(span: Span, promised: Sequence[Promised]) -> Chart:
    """How far beyond now the axis goes, in ms; only where it ends now and there is something to show."""
    return {"ahead": AHEAD_S * 1000} if span.is_live and promised else {}


def _ahead_percent(one: Promised, total: int) -> list[Chart]:
    x = [round(at * 1000) for at in one.times]
    found = [{"device": one.device, "kind": "load_promised", "dash": "dashdot", "x": x, "y": list(one.load_percent)}]
    if one.memory_bytes is not None and total:
        memory = [round(100 * size / total, 2) for size in one.memory_bytes]
        found.insert(0, {"device": one.device, "kind": "memory_promised", "dash": "dash", "x": x, "y": memory})
    return found


def _readings(reads: Reads, span: Span, step: float, is_single: bool) -> list[dict[str, Any]]:
    if is_single:
        return reads.store.samples_between(span.since, span.until, step)
    rows = reads.store.minute_steps(span.since, span.until, step)
    return [{**row, "memory_used_bytes": row["memory_peak_bytes"], "utilization_percent": row["load"]} for row in rows]


def _percent_lines(reads: Reads) -> list[Chart]:
    marks = marks_of(reads)
    return [{"at": marks.high, "level": "above"}, {"at": marks.low, "level": "near"}]


def stack(reads: Reads, span: Span, device: str, by: str = "job", promised: Sequence[Promised] = ()) -> Chart:
    """Who held a device's memory, in GiB, one upon the other, job by job or person by person; what is not ours is `others`.

    `ahead_line`: what the next half hour is promised of it already.
    """
    step = max(60.0, span.seconds / MAX_POINTS)
    steps = [row for row in reads.store.minute_steps(span.since, span.until, step) if row["device"] == device]
    held: dict[str, dict[int, int]] = defaultdict(dict)
    for row in reads.store.shares(span.since, span.until, step):
        if row["device"] == device:
            held[row["owner"]][row["at"]] = row["peak_bytes"]
    held = _few(_by_user(reads, held) if by == "user" else held)
    times = [row["at"] for row in steps]
    ends = [min(span.until, times[-1] + step)] if times else []  # the last step lasts, too
    others = {
        row["at"]: max(0, row["memory_peak_bytes"] - sum(share.get(row["at"], 0) for share in held.values()))
        for row in steps if row["memory_peak_bytes"] is not None
    }  # fmt: skip
    owners = [*sorted(held, key=_owner_order), "others"]
    jobs = reads.jobs_by_id([name[4:] for name in owners if name.startswith("job:")])
    names = {job["id"]: f"{job['role']} · {job['user']}" for job in jobs}
    traces = [
        {"owner": owner, "name": _owner_words(owner, names), "x": [at * 1000 for at in times + ends],
         "y": [_gib((others if owner == "others" else held[owner]).get(at, 0)) for at in times + times[-1:]]}
        for owner in owners
    ]  # fmt: skip
    total = max((row["memory_total_bytes"] or 0 for row in steps), default=0)
    marks = marks_of(reads)
    lines = [{"at": _gib(total * mark / 100), "level": level} for mark, level in ((marks.high, "above"), (marks.low, "near"))]
    frame = _frame(span, traces if times else [])
    mine = [one for one in promised if one.device == device and one.memory_bytes is not None] if times else []
    ahead = [size for one in mine for size in one.memory_bytes or ()]
    line = {"x": [round(at * 1000) for at in mine[0].times], "y": [_gib(size) for size in ahead]} if mine else None
    peak = max([*(row["memory_peak_bytes"] or 0 for row in steps), *ahead], default=0)
    top = total if peak > HALF_FULL * total else HEADROOM * peak  # a device that is far from full is drawn closer
    return {
        **frame, **_ahead(span, mine), "unit": "GiB", "range": [0, _gib(top)] if top else None, "lines": lines if total else [],
        "is_stacked": True, "events": marks_of_span(reads, span), "ahead_line": line,
    }  # fmt: skip


def _by_user(reads: Reads, held: dict[str, dict[int, int]]) -> dict[str, dict[int, int]]:
    """The jobs of a person as one share; a job that is not known any more stays itself."""
    users = {job["id"]: job["user"] for job in reads.jobs_by_id([name[4:] for name in held if name.startswith("job:")])}
    found: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for owner, sizes in held.items():
        user = users.get(owner.removeprefix("job:"))
        for at, size in sizes.items():
            found[owner if user is None else f"user:{user}"][at] += size
    return dict(found)


def _few(held: dict[str, dict[int, int]]) -> dict[str, dict[int, int]]:
    """The jobs that held most keep their names; the others are one share."""
    jobs = sorted((owner for owner in held if owner.startswith(("job:", "user:"))), key=lambda owner: -max(held[owner].values()))
    rest: dict[int, int] = defaultdict(int, held.pop("parked", {}))
    for owner in jobs[NAMED_JOBS:]:
        for at, size in held.pop(owner).items():
            rest[at] += size
    return {**held, **({"parked": rest} if rest else {})}


def _owner_order(owner: str) -> tuple[int, str]:
    order = {"weights": 0, "prepared": 1, "greenroom": 2, "parked": 4}
    return order.get(owner, 3), owner


def _owner_words(owner: str, roles: dict[str, str]) -> str:
    if owner.startswith("job:"):
        return f"{roles.get(owner[4:], '')} …{owner[-5:]}".strip()
    return owner[5:] if owner.startswith("user:") else i18n.named("owner", owner)


def _frame(span: Span, traces: list[Chart]) -> Chart:
    """Traces and the span that the axis shows: a young house fills it, too."""
    first = min((trace["x"][0] for trace in traces if trace["x"]), default=None)
    until = span.until * 1000
    begin = span.since * 1000
    if first is not None and span.is_live:
        begin = max(begin, min(first, until - YOUNG_MS))
    return {"traces": traces, "since": begin, "until": until, "is_live": span.is_live}


def _gib(size: float) -> float:
    return round(size / GIB, 3)


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
