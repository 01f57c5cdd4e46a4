"""Errors of the scheduler: a stable code for the wire, a status for HTTP, the field at fault, the way out as a hint."""

from __future__ import annotations

from typing import Any


class SchedulerError(Exception):
    """A wish that could not be granted. `status` is the HTTP status it becomes."""

    def __init__(
        self, status: int, code: str, message: str, *, field: str | None = None, hint: str = "", **data: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.hint = hint
        self.data = data

    def to_json(self) -> dict[str, Any]:
        """The error shape of the wire, with the status beside it."""
        return {
            "status": self.status,
            "code": self.code,
            "message": self.message,
            "field": self.field,
            "hint": self.hint,
            **({"data": self.data} if self.data else {}),
        }

    @classmethod
    def from_json(cls, error: dict[str, Any]) -> SchedulerError:
        """Inverse of `to_json`; an error without a code is a broken peer and says so."""
        return cls(
            int(error.get("status", 500)),
            str(error.get("code", "unknown_error")),
            str(error.get("message", "the scheduler gave no reason")),
            field=error.get("field"),
            hint=str(error.get("hint", "")),
            **(error.get("data") or {}),
        )


_START_IT = "Start it with: role_scheduler serve. If it is restarting, try again in a second."


class DaemonUnreachable(SchedulerError):
    """The scheduler daemon does not answer."""

    def __init__(self, where: str, reason: str, *, hint: str = _START_IT) -> None:
        super().__init__(
            503, "daemon_unreachable", f"The scheduler daemon does not answer at {where} ({reason}).", hint=hint
        )


def hint_of_silence(*, is_safe: bool) -> str:
    """What to do about a daemon that took a request and says nothing. `is_safe`: asking again does nothing twice."""
    after = "try again" if is_safe else "look at role_scheduler jobs before you ask again, since it may have been done"
    return (
        "It hangs or has too much to do. In a house that role_scheduler serve started, one that hangs is replaced in a few"
        f" seconds: {after}. A daemon of its own has to be ended and started anew."
    )
