"""The morning check: the last day in figures, what of it needs somebody, and who has signed it off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard import formats
from dashboard.marks import Marks, disk_mark_bytes, marks_of
from dashboard.pulse import Beat
from dashboard.reads import Reads, Row
from engine.catalog import FPS
from scheduler.clock import house_now

DAY_S = 86_400.0
SIGNED = "watermark:signed"
DAYS_SHOWN = 7
_COUNTED = ("job:preempted", "job:failed", "job:recovered", "heal:recovered", "heal:abandoned", "worker:lost", "timetable:failed")
SILENT_S = 10.0  # the daemon answers once per second
MOST_UNMEASURED = 0.05  # of the day; more is worth a word


@dataclass(frozen=True)
class Finding:
    """Something that a person should look at: a word key `morning.<what>` with its data, and where it is seen."""

    what: str
    data: dict[str, Any]
    link: str
    is_bad: bool = True


@dataclass(frozen=True)
class Report:
    """The last day. `since`, `until`: seconds since 1970."""

    since: float
    until: float
    marks: Marks
    devices: list[Row]
    counts: dict[str, int]
    disk: dict[str, int] | None
    findings: list[Finding]
    plan: str  # verdict of today's plan; `unchecked`, or `none` where none is filed

    @property
    def verdict(self) -> str:
        """`calm` when nothing needs anybody, `note` when something is worth knowing, else `look`."""
        return "look" if any(finding.is_bad for finding in self.findings) else "note" if self.findings else "calm"

    def for_audit(self, note: str) -> dict[str, Any]:
        """What is signed: the figures themselves, so that the log says what was seen."""
        devices = {
            row["device"]: {name: row[name] for name in ("peak_percent", "p95_percent", "mean_percent", "above_s")}
            for row in self.devices
        }
        return {
            "verdict": self.verdict, "findings": [finding.what for finding in self.findings], "reason": note, **self.counts,
            "devices": devices, "free_bytes": None if self.disk is None else self.disk["free_bytes"],
            "plan": self.plan, "since": self.since, "until": self.until,
        }  # fmt: skip


def report(reads: Reads, beat: Beat, now: float | None = None, zone: str = "") -> Report:
    """The last 24 hours up to now, and what the check of today's plan said; `zone`: of the studio's day."""
    until = house_now() if now is None else now
    since, marks = until - DAY_S, marks_of(reads)
    devices = device_rows(reads.store.minutes(since, until), marks, since, until)
    counts = _counts(reads, since, until)
    disk = beat.status.get("disk")
    plan = plan_verdict(reads, today(zone, until))
    findings = _findings(reads, beat, devices, counts, disk) + _of_plan(plan)
    return Report(since, until, marks, devices, counts, disk, findings, plan)


def plan_verdict(reads: Reads, day: str) -> str:
    """What the newest check of the day's filed plan said."""
    filed, check = reads.store.filed_plan(day), reads.store.plan_check(day)
    if filed is None:
        return "none"
    return str(check["verdict"]) if check is not None and check["plan_sha256"] == filed["sha256"] else "unchecked"


def _of_plan(verdict: str) -> list[Finding]:
    if verdict in ("none", "fits"):
        return []
    return [Finding(f"plan_{verdict}", {}, "/dashboard/plan/", is_bad=verdict == "does_not_fit")]


def device_rows(minutes: Iterable[Row], marks: Marks, since: float, until: float) -> list[Row]:
    """Per device: peak, p95 and mean of memory in percent and bytes, seconds above the high mark, seconds measured.

    One reading stands for one second. p95: the whole percent that 95 of 100 readings did not exceed.
    """
    found: dict[str, list[Row]] = {}
    for row in minutes:
        found.setdefault(row["device"], []).append(row)
    return [_device_row(device, rows, marks, until - since) for device, rows in sorted(found.items())]


def _device_row(device: str, rows: list[Row], marks: Marks, span_s: float) -> Row:
    levels: Counter[int] = Counter()
    for row in rows:
        levels.update(row["levels"])
    total = max((row["memory_total_bytes"] or 0 for row in rows), default=0)
    peak = max((row["memory_peak_bytes"] for row in rows if row["memory_peak_bytes"] is not None), default=None)
    readings = sum(row["memory_readings"] for row in rows)
    mean = sum(row["memory_sum_bytes"] for row in rows) / readings if readings else None
    loads = sum(row["load_readings"] for row in rows)
    return {
        "device": device, "total_bytes": total or None, "peak_bytes": peak, "mean_bytes": mean,
        "peak_percent": _percent(peak, total), "mean_percent": _percent(mean, total), "p95_percent": _quantile(levels, 0.95),
        "above_s": sum(count for level, count in levels.items() if level >= marks.high),
        "load_percent": round(sum(row["load_sum"] for row in rows) / loads, 1) if loads else None,
        "temperature_c": max((row["temperature_peak_c"] for row in rows if row["temperature_peak_c"] is not None), default=None),
        "measured_s": sum(row["readings"] for row in rows),
        "measured_share": min(1.0, len(rows) * 60 / span_s),
    }  # fmt: skip


def _percent(size: float | None, total: int) -> float | None:
    return round(100 * size / total, 1) if size is not None and total else None


def _quantile(levels: Counter[int], share: float) -> int | None:
    """The smallest level that at least this share of the readings does not exceed."""
    left = share * levels.total()
    for level in sorted(levels):
        left -= levels[level]
        if left <= 0:
            return level
    return None


def _counts(reads: Reads, since: float, until: float) -> dict[str, int]:
    deeds = reads.store.deeds(_COUNTED, since)
    faults = reads.store.faults_since(since)
    finished = reads.store.finished(since, until)

    def of(action: str) -> int:
        return sum(count for (name, _), count in deeds.items() if name == action)

    return {
        "finished": finished["jobs"], "video_s": round(finished["frames"] / FPS),
        "failures": of("job:failed"), "preemptions": of("job:preempted"), "recovered": of("job:recovered"),
        "out_of_memory": max(faults.get("out_of_memory", 0), reads.store.failed_with("out_of_memory", since)),
        "faults": sum(faults.values()), "heals": of("heal:recovered"), "abandoned": of("heal:abandoned"),
        "workers_lost": of("worker:lost"),
    }  # fmt: skip


def _findings(
    reads: Reads, beat: Beat, devices: list[Row], counts: dict[str, int], disk: dict[str, int] | None
) -> list[Finding]:
    faults, audit = "/dashboard/faults/", "/dashboard/audit/"
    found = [
        Finding("above", {"device": row["device"], "time": formats.duration(row["above_s"])}, "#memory-title")
        for row in devices if row["above_s"]
    ]  # fmt: skip
    if counts["out_of_memory"]:
        found.append(Finding("out_of_memory", {"count": counts["out_of_memory"]}, faults))
    if counts["failures"]:
        found.append(Finding("failures", {"count": counts["failures"]}, "/dashboard/jobs?state=FAILED"))
    if counts["abandoned"]:
        found.append(Finding("abandoned", {"count": counts["abandoned"]}, faults))
    still_open = sum(1 for heal in reads.store.heals(50) if heal["state"] == "open")
    if still_open:
        found.append(Finding("open", {"count": still_open}, faults))
    if disk is not None and disk["free_bytes"] < 2 * disk_mark_bytes(reads):
        found.append(Finding("disk", {"size": formats.size(disk["free_bytes"])}, "#figures-title"))
    if (beat.status.get("queue") or {}).get("paused"):
        found.append(Finding("paused", {}, "/dashboard"))
    verified = reads.store.last_entry_of("audit", "audit:verified")
    if verified is not None and verified["outcome"] == "failure":
        found.append(Finding("audit", {}, audit))
    if beat.age_s() > SILENT_S:
        found.append(Finding("silent", {}, "/dashboard"))
    gaps = [row for row in devices if row["measured_share"] < 1 - MOST_UNMEASURED]
    found += [
        Finding("gaps", {"device": row["device"], "time": _measured(row)}, "#memory-title", is_bad=False) for row in gaps
    ]
    if not devices:
        found.append(Finding("unmeasured", {}, "/dashboard", False))
    return found


def _measured(row: Row) -> str:
    minutes = row["measured_share"] * DAY_S / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def today(zone_name: str, now: float | None = None) -> str:
    """The studio's day: 2026-11-21."""
    return datetime.fromtimestamp(house_now() if now is None else now, formats.zone_of(zone_name)).strftime("%Y-%m-%d")


def sign_offs(reads: Reads) -> dict[str, Row]:
    """Day → who signed it off, when and with which words; the newest days first."""
    rows = reads.store.last_of_actions((SIGNED,), DAYS_SHOWN)
    return {row["object"].partition(":")[2]: row for row in rows}
