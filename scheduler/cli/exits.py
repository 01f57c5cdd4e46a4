"""Exit codes, one meaning each. `docs/cli.md` prints this table."""

from __future__ import annotations

from enum import IntEnum

from scheduler.errors import DaemonUnreachable, SchedulerError


class ExitCode(IntEnum):
    """What a script can tell from the exit code."""

    OK = 0
    FAILED = 1  # a crash, an engine that failed, a waited-for job that did not succeed, frames that differ
    FITS_DEGRADED = 10
    DOES_NOT_FIT = 11
    CANNOT_TELL = 12
    AUDIT_BROKEN_ROW = 20
    AUDIT_HEAD_MISMATCH = 21
    AUDIT_TRUNCATED = 22
    WRONG_USAGE = 64
    UNREACHABLE = 69
    NO_DISK = 74
    NO_RIGHTS = 77
    INTERRUPTED = 130


MEANINGS: dict[int, str] = {
    ExitCode.OK: "done; verdict: fits; audit: verified",
    ExitCode.FAILED: "failed: a crash, a job that did not succeed, frames that differ",
    ExitCode.FITS_DEGRADED: "verdict: works, but something needs attention; diagnose: a suspect",
    ExitCode.DOES_NOT_FIT: "verdict: does not fit; weights: not usable as they are; diagnose: a cause was found",
    ExitCode.CANNOT_TELL: "verdict: cannot tell, something could not be measured",
    ExitCode.AUDIT_BROKEN_ROW: "audit: a row was changed",
    ExitCode.AUDIT_HEAD_MISMATCH: "audit: the chain does not end in the recorded head",
    ExitCode.AUDIT_TRUNCATED: "audit: rows are missing at the end",
    ExitCode.WRONG_USAGE: "wrong usage: flags, files or a wish that cannot be granted",
    ExitCode.UNREACHABLE: "the scheduler daemon does not answer, or cannot take the wish now",
    70: "`serve` and `demo`: the port is in use",
    71: "`serve` and `demo`: a part of the system did not start",
    ExitCode.NO_DISK: "`serve`, `demo` and `weights convert`: no disk space",
    75: "`serve` and `demo`: already running on this data directory",
    ExitCode.NO_RIGHTS: "`serve`, `demo` and `weights convert`: missing rights",
    ExitCode.INTERRUPTED: "interrupted by Ctrl-C",
}


def code_for(error: SchedulerError) -> ExitCode:
    """The exit code for a refusal: the caller's fault, not reachable now, or ours."""
    if isinstance(error, DaemonUnreachable) or error.status == 503:
        return ExitCode.UNREACHABLE
    return ExitCode.WRONG_USAGE if 400 <= error.status < 500 else ExitCode.FAILED
