"""The scores of a finished video for people: value, unit, a word by the policy's marks, or why there are none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard.reads import Reads
from scheduler.clock import house_now
from scheduler.core.job import JobState
from scheduler.core.quality import MAX_TRIES, MEASURES, QualityPolicy
from scheduler.core.quality_text import UNITS, good_text, red_text, written

NOW = "quality_now"  # the daemon's fact: whether it measures, and which video just now
PENDING = ("waiting", "measuring")  # states that pass by themselves


def quality_of(reads: Reads, job: Mapping[str, Any]) -> dict[str, Any] | None:
    """`state` (measured, failed, measuring, waiting, unmeasured, off) of a finished job's video and what goes with it.

    None for a job that has not succeeded.
    """
    if job["state"] != JobState.SUCCEEDED:
        return None
    row, now, policy = reads.store.quality(job["id"]), reads.store.fact(NOW) or {}, reads.store.quality_policy()
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
