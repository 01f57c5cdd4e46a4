"""The scores of a finished video for people: value, unit, a word by the policy's marks, or why there are none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard.reads import Reads
from scheduler.clock import house_now
from scheduler.core.job import JobState
from scheduler.core.quality import MAX_TRIES, MEASURES, Marks, QualityPolicy

NOW = "quality_now"  # the daemon's fact: whether it measures, and which video just now
POLICY = "quality_policy"
PENDING = ("waiting", "measuring")  # states that pass by themselves
_SHARE, _SECONDS, _LEVEL, _PLAIN = "%", "s", "dB", ""
UNITS = {
    "lip_offset_s": _SECONDS, "lip_correlation": _PLAIN, "blurred_ratio": _SHARE, "frozen_ratio": _SHARE,
    "longest_freeze_s": _SECONDS, "flicker": _SHARE, "identity_drift": _PLAIN, "loudness_db": _LEVEL,
}  # fmt: skip
_FINE = {"identity_drift": 3, "flicker": 2}
_DIGITS = {_SECONDS: 2, _SHARE: 1, _LEVEL: 0, _PLAIN: 2}


def policy_of(reads: Reads) -> QualityPolicy:
    """The marks in force as the daemon wrote them, else the shipped ones."""
    data = reads.store.fact(POLICY)
    return QualityPolicy.from_mapping(data) if isinstance(data, dict) else QualityPolicy()


def quality_of(reads: Reads, job: Mapping[str, Any]) -> dict[str, Any] | None:
    """`state` (measured, failed, measuring, waiting, unmeasured, off) of a finished job's video and what goes with it.

    None for a job that has not succeeded.
    """
    if job["state"] != JobState.SUCCEEDED:
        return None
    row, now, policy = reads.store.quality(job["id"]), reads.store.fact(NOW) or {}, policy_of(reads)
    if row is not None and row["state"] == "measured":
        return {"state": "measured", **_measured(row, policy)}
    if now.get("job") == job["id"]:
        return {"state": "measuring"}
    if row is not None:
        is_again = row["tries"] < MAX_TRIES and bool(now.get("is_on"))
        return {"state": "failed", "at": row["at"], "code": row["code"], "message": row["message"], "is_again": is_again}
    if not now.get("is_on"):
        return {"state": "off"}
    line = [one["id"] for one in reads.store.unmeasured(policy.catch_up, house_now(), policy.catch_up)]
    if job["id"] in line:
        return {"state": "waiting", "ahead": line.index(job["id"])}
    return {"state": "unmeasured", "newest": policy.catch_up}


def _measured(row: Mapping[str, Any], policy: QualityPolicy) -> dict[str, Any]:
    scores = [
        {
            "name": name, "value": row[name], "unit": UNITS[name], "word": policy.word(name, row[name]),
            "text": written(name, row[name]), "good": good_text(name, policy.marks[name]),
            "red_line": red_text(name, policy.marks[name]),
        }
        for name in MEASURES
    ]  # fmt: skip
    about = {name: row[name] for name in ("at", "took_s", "has_portrait", "seconds")}
    return {**about, "verdict": policy.verdict({name: row[name] for name in MEASURES}), "scores": scores}


def written(measure: str, value: float | None) -> str:
    """`+0.08 s`, `1.2 %`, `0.024`, `-19 dB`; a dash for what cannot be told."""
    if value is None:
        return "–"
    unit = UNITS[measure]
    shown = 100 * value if unit == _SHARE else value
    digits = _FINE.get(measure, _DIGITS[unit])
    sign = "+" if measure == "lip_offset_s" else ""
    return f"{shown:{sign}.{digits}f} {unit}".strip()


def good_text(measure: str, marks: Marks) -> str:
    """The span in which a measure is good: `≤ 1 %`, `≥ 0.5`, `-30 … -9 dB`."""
    return _span(measure, marks.look_below, marks.look_above)


def red_text(measure: str, marks: Marks) -> str:
    """Beyond this it is bad."""
    return _span(measure, marks.bad_below, marks.bad_above)


def _span(measure: str, least: float | None, most: float | None) -> str:
    unit = UNITS[measure]
    factor = 100 if unit == _SHARE else 1
    low, high = (None if value is None else f"{factor * value:g}" for value in (least, most))
    text = f"{low} … {high}" if low and high else f"≤ {high}" if high else f"≥ {low}"
    return f"{text} {unit}".strip()
