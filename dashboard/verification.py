"""What a verification of the audit found, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard.refusals import told
from scheduler.audit.verdict import VerdictCode

_PROBLEMS = {
    VerdictCode.OK: "sound", VerdictCode.BROKEN_ROW: "broken", VerdictCode.HEAD_MISMATCH: "mismatch",
    VerdictCode.TRUNCATED: "truncated",
}  # fmt: skip


def verdict_words(body: Mapping[str, Any]) -> str:
    """From the figures of a verdict or of an `audit:verified` row; of an older row without a code, what it says."""
    said = str(body.get("message") or body.get("verdict") or "")
    if "code" not in body:
        return said
    figures: dict[str, Any] = {name: body.get(name) for name in ("rows", "seq", "broken_seq", "head_seq")}
    return told("verified", said, problem=_PROBLEMS[VerdictCode(int(body["code"]))], **figures)[0]
