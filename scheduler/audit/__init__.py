"""The audit log: hash-chained, append-only, exported with its head. Format and limits: docs/audit.md."""

from __future__ import annotations

from scheduler.audit.entry import SYSTEM, Actor, AuditEntry, is_tag
from scheduler.audit.export_format import export_lines, write_export
from scheduler.audit.exporting import export_log as export
from scheduler.audit.verdict import Verdict, VerdictCode
from scheduler.audit.verification import verify

__all__ = [
    "SYSTEM", "Actor", "AuditEntry", "Verdict", "VerdictCode", "export", "export_lines", "is_tag", "verify",
    "write_export",
]  # fmt: skip
