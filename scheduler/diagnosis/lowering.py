"""The second branch: did anybody, or the house by itself, make it with less than could be had?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from engine.catalog import PRESETS
from scheduler.audit import AuditEntry
from scheduler.core.ladder import AS_ASKED
from scheduler.core.tags import Tag
from scheduler.diagnosis.evidence import Evidence
from scheduler.diagnosis.finding import Branch, Finding, Verdict, found
from scheduler.diagnosis.work_words import WAYS_UP, Words
from scheduler.submission import area

PICTURE = (
    "lip_offset_s", "lip_correlation", "blurred_ratio", "frozen_ratio", "longest_freeze_s", "flicker", "identity_drift",
)  # fmt: skip
_CHANGE = re.compile(r"from block (\d+): (.+)")
_AS_ASKED = "as asked"  # in a recipe's degradations
_MOVES = (Tag.JOB_DEGRADED, Tag.JOB_RESTORED, Tag.JOB_OFFERED, Tag.JOB_CONSENTED)


def asked_findings(evidence: Evidence) -> Iterator[Finding]:
    """What was asked for, held against what the role usually gets."""
    asked = _asked(evidence)
    figures = {"size": asked["size"], "steps": asked["steps"]}
    if evidence.role is None:
        version = evidence.job["role_version"]
        yield found(Branch.DEGRADATION, "settings", Verdict.UNKNOWN, "preset_unknown", figures, words={"version": version})
        return
    preset = PRESETS[evidence.role.preset]
    less = [f"{asked['size']} < {preset.size}"] if area(asked["size"]) < area(preset.size) else []
    less += [f"{asked['steps']} < {preset.steps}"] if asked["steps"] < preset.steps else []
    figures |= {"preset": preset.name, "preset_size": preset.size, "preset_steps": preset.steps}
    words = {"preset": preset.name, "size": asked["size"], "steps": asked["steps"], "less": ", ".join(less)}
    is_preset = (asked["size"], asked["steps"]) == (preset.size, preset.steps)
    code, verdict = ("asked_less", Verdict.SUSPECT) if less else ("as_asked" if is_preset else "asked_more", Verdict.SOUND)
    yield found(Branch.DEGRADATION, "settings", verdict, code, figures, words=words)


def ladder_findings(evidence: Evidence) -> Iterator[Finding]:
    """Which rungs the job went down, from which block on, when and why."""
    changes = changes_of(evidence.recipe.get("degradations", ()))
    made, total = evidence.block_count, evidence.job["total_blocks"]
    low = lowered_blocks(changes, made)
    moves = evidence.rows(*_MOVES)
    told = [_told(evidence, row) for row in moves]
    seqs = [row["seq"] for row in moves]
    if low:
        at_submission = ["slot_memory"] if changes[0][0] == 0 else []  # who lowers it later writes a row with the cause
        at_submission += ["consent"] if evidence.rows(Tag.JOB_CONSENTED) else []
        causes = list(dict.fromkeys(one["cause"] for one in told if one["cause"])) or at_submission or ["–"]
        told_changes = {
            "en": "; ".join(f"from block {first}: {what}" for first, what in changes),
            "zh": "；".join(f"自第 {first} 块：{what}" for first, what in changes),
        }  # fmt: skip
        words = {"blocks": low, "total": total, "causes": ", ".join(causes), "changes": told_changes, "way_out": _way_up(causes)}
        figures = {"lowered_blocks": low, "made_blocks": made, "total_blocks": total, "asked": _asked(evidence), "moves": told}
        yield found(Branch.DEGRADATION, "ladder", Verdict.CAUSE, "lowered", figures, audit=seqs, shows_in=PICTURE, words=words)
    elif rungs := [one["rung"] for one in told if one["action"] == Tag.JOB_DEGRADED]:
        words = {"count": len(rungs), "rungs": ", ".join(dict.fromkeys(rungs))}
        yield found(Branch.DEGRADATION, "ladder", Verdict.SOUND, "kept_memory", {"moves": told}, audit=seqs, words=words)
    elif made:
        yield found(Branch.DEGRADATION, "ladder", Verdict.SOUND, "kept", {"moves": told}, audit=seqs)


def changes_of(degradations: Sequence[str]) -> list[tuple[int, str]]:
    """(first block, setting) of each change that the recipe tells, in order."""
    return [(int(match[1]), match[2]) for text in degradations if (match := _CHANGE.fullmatch(text))]


def lowered_blocks(changes: Sequence[tuple[int, str]], made: int) -> int:
    """How many of the blocks that were made have less than was asked for."""
    low = 0
    for number, (first, setting) in enumerate(changes):
        until = changes[number + 1][0] if number + 1 < len(changes) else made
        low += 0 if setting == _AS_ASKED else max(0, min(until, made) - first)
    return low


def _way_up(causes: Sequence[str]) -> Words:
    """What would keep the next one from it: of each cause once, consent being none."""
    ways = list(dict.fromkeys(cause if cause in WAYS_UP else "" for cause in causes if cause != "consent")) or [""]
    return {language: between.join(WAYS_UP[way][language] for way in ways) for language, between in (("en", " "), ("zh", ""))}


def _asked(evidence: Evidence) -> dict[str, Any]:
    """Size and steps of the submission, whatever became of them."""
    asked = evidence.asked or evidence.recipe["settings"]
    return {"size": asked["size"], "steps": asked["steps"]}


def _told(evidence: Evidence, row: AuditEntry) -> dict[str, Any]:
    """One move on the ladder: when, which rung, why, and the reading that the fault was seen by."""
    body = row["body"]
    heal = evidence.heals.get(body.get("heal", ""), {})
    return {
        "seq": row["seq"], "at_utc": row["at_utc"], "action": row["action"], "rung": body.get("rung", AS_ASKED),
        "from_block": body.get("from_block"), "cause": body.get("cause") or body.get("code") or heal.get("fault", ""),
        "numbers": dict(heal.get("numbers") or {}),
    }  # fmt: skip
