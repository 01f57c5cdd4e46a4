"""The third branch: workers, GPUs and files between the first block and the finished video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scheduler.audit import AuditEntry
from scheduler.core.job import JobState
from scheduler.core.tags import Tag
from scheduler.diagnosis.evidence import Evidence
from scheduler.diagnosis.finding import Branch, Finding, Verdict, found
from scheduler.diagnosis.work_words import Words
from scheduler.refusal_words import in_chinese, told_apart

_OF_CODE = {
    "bad_media": Branch.INPUT, "bad_weights": Branch.WEIGHTS, "out_of_memory": Branch.DEGRADATION,
    "vault_full": Branch.DEGRADATION,
}  # fmt: skip
_HOW = {JobState.FAILED: "failed", JobState.REJECTED: "rejected", JobState.CANCELLED: "cancelled"}
_STORY = {"en": "See what happened to it: role_scheduler jobs JOB.", "zh": "用 role_scheduler jobs JOB 查看经过。"}
_SEAMS = ("identity_drift", "flicker", "frozen_ratio", "longest_freeze_s")


def ending_findings(evidence: Evidence) -> Iterator[Finding]:
    """How the job ended, on the branch that it belongs to: in the house's own words where that ended it without a video."""
    job = evidence.job
    if evidence.has_failed:
        code, rows = job["error_code"] or "unknown", evidence.rows(Tag.JOB_FAILED, Tag.JOB_REJECTED, Tag.JOB_CANCELLED)
        words, seqs = {"code": code, **_why(evidence, code, rows)}, [row["seq"] for row in rows]
        branch = _OF_CODE.get(code, Branch.COMMUNICATION)
        how = _HOW[JobState(job["state"])]
        yield found(branch, "end", Verdict.CAUSE, how, {"code": code}, audit=seqs, is_recorded=True, words=words)
    elif not evidence.is_done:
        words = {"state": str(job["state"]), "found": evidence.block_count, "total": job["total_blocks"]}
        figures = {"state": str(job["state"]), "is_over": evidence.is_over}
        code = "never_made" if evidence.is_over else "no_video"
        yield found(Branch.COMMUNICATION, "end", Verdict.UNKNOWN, code, figures, words=words)


def _why(evidence: Evidence, code: str, rows: Sequence[AuditEntry]) -> dict[str, Words]:
    """`message` and `hint`. In Chinese: what admission said, where it rejected the job, else the sentence of the code; the words
    of whoever failed where there is none."""
    job = evidence.job
    english, hint = job["error_message"] or "–", job["error_hint"] or _STORY["en"]
    said = next((row["body"]["decision"]["text"] for row in reversed(rows) if "decision" in row["body"]), None)
    if said is not None:
        return {"message": {language: text.rstrip(".。") for language, text in said.items()}, "hint": _STORY}
    what, way_out = told_apart(in_chinese(code, None, {}) or "")
    chinese = (what, way_out or _STORY["zh"]) if what else (english, hint)
    return {"message": {"en": english, "zh": chinese[0]}, "hint": {"en": hint, "zh": chinese[1]}}


def worker_findings(evidence: Evidence) -> Iterator[Finding]:
    """Lost workers, tries again, stops; and whether the job went on exactly or had to be rebuilt."""
    lost, retried = evidence.rows(Tag.JOB_RECOVERED), evidence.rows(Tag.JOB_RETRIED)
    stopped = evidence.rows(Tag.JOB_PREEMPTED)
    changed = {row["body"].get("cause") for row in stopped}
    rebuilt = [
        row for row in evidence.rows(Tag.JOB_STARTED)
        if row["body"].get("resume") == "continuous" and row["body"].get("from_block", 0) > 0
    ]  # fmt: skip
    figures = {
        "leases": evidence.job["leases"], "lost_workers": len(lost), "retries": len(retried), "stops": len(stopped),
        "stop_causes": sorted(str(cause) for cause in changed), "rebuilt": len(rebuilt),
        "refused_reports": len(evidence.rows(Tag.REPORT_REFUSED)),
        "causes": [str(row["body"].get("cause") or row["body"].get("code")) for row in (*lost, *retried)],
    }  # fmt: skip
    words = {"lost": len(lost), "retried": len(retried), "preempted": len(stopped), "leases": evidence.job["leases"]}
    seqs = sorted(row["seq"] for row in (*lost, *retried, *stopped, *rebuilt))
    if rebuilt:
        blocks = ", ".join(str(row["body"]["from_block"]) for row in rebuilt)
        told = {**words, "times": len(rebuilt), "blocks": blocks}
        yield found(Branch.COMMUNICATION, "workers", Verdict.SUSPECT, "rebuilt", figures, audit=seqs, shows_in=_SEAMS, words=told)
    elif lost or retried or stopped:
        yield found(Branch.COMMUNICATION, "workers", Verdict.SOUND, "went_on_exactly", figures, audit=seqs, words=words)
    else:
        yield found(Branch.COMMUNICATION, "workers", Verdict.SOUND, "undisturbed", figures, words=words)


def link_findings(evidence: Evidence) -> Iterator[Finding]:
    """Between GPUs: said, so that nobody looks for it."""
    made_with = evidence.recipe.get("made_with", {})
    yield found(Branch.COMMUNICATION, "GPUs", Verdict.SOUND, "one_gpu", {"device": made_with.get("device")})


def file_findings(evidence: Evidence) -> Iterator[Finding]:
    """All blocks in the store, and the video still the file that was made."""
    if not evidence.is_done:
        return
    job = evidence.job
    figures = {"blocks": evidence.block_count, "total_blocks": job["total_blocks"], "sha256": job["video_sha256"]}
    words = {
        "found": evidence.block_count, "total": job["total_blocks"], "path": job["video_path"],
        "sha256": job["video_sha256"][:12],
    }  # fmt: skip
    if evidence.block_count < job["total_blocks"]:
        yield found(Branch.COMMUNICATION, "blocks", Verdict.CAUSE, "blocks_missing", figures, words=words)
    if evidence.video == "missing":
        yield found(Branch.COMMUNICATION, "video", Verdict.UNKNOWN, "video_gone", figures, words=words)
    elif evidence.video == "unread":
        yield found(Branch.COMMUNICATION, "video", Verdict.UNKNOWN, "video_unread", figures, words=words)
    elif evidence.video == "damaged":
        yield found(Branch.COMMUNICATION, "video", Verdict.CAUSE, "video_changed", figures, words=words)
    elif evidence.block_count >= job["total_blocks"]:
        yield found(Branch.COMMUNICATION, "video", Verdict.SOUND, "blocks_whole", figures, words=words)
