"""Wishes about videos and passwords: what `scheduler.client.Scheduler` offers besides jobs, roles and the queue."""

from __future__ import annotations

from typing import Any

from scheduler.wishing import Wishing


class ReviewWishes(Wishing):
    """Notes and verdicts."""

    def write_note(
        self, job_id: str, text: str, video_s: float | None = None, answers: int | None = None
    ) -> dict[str, Any]:
        """Say something about a moment of a job's video (seconds; None: all of it), or answer a note: `{"number", …}`."""
        return self._call("write_note", job_id=job_id, text=text, video_s=video_s, answers=answers)

    def change_note(self, job_id: str, number: int, deed: str) -> dict[str, Any]:
        """`resolve` or `reopen` a note, or `retract` one's own."""
        return self._call("change_note", job_id=job_id, number=number, deed=deed)

    def judge(self, job_id: str, verdict: str, reason: str = "", before: int = 0) -> dict[str, Any]:
        """A finished video is `approved` or `rejected`; `before`: number of the verdict that one saw (0: none).

        `waiting` of the answer: what becomes of the jobs that waited for it. A job that waits may be named itself.
        """
        return self._call("judge", job_id=job_id, verdict=verdict, reason=reason, before=before)


class PasswordWishes(Wishing):
    """Passwords, as hashes: what was typed stays with who asks."""

    def set_password(self, user: str, password_hash: str, replaces: float | None = None) -> dict[str, Any]:
        """Keep the scrypt hash of a person's password: `{"user", "session_version", "is_first"}`.

        `replaces`: when the one that was known was set; None for a first one.
        """
        return self._call("set_password", user=user, password_hash=password_hash, replaces=replaces)

    def reset_password(self, user: str) -> dict[str, Any]:
        """Take a person's password away, end their sessions, make a one-time link: `{"token", "path", "expires_at"}`."""
        return self._call("reset_password", user=user)

    def record_sign_in(
        self, user: str | None, is_good: bool, changed_at: float | None = None, failures: int = 0
    ) -> dict[str, Any]:
        """Write down that a password was right (gives `{"user", "session_version"}`) or wrong; None: a name nobody has."""
        return self._call("record_sign_in", user=user, is_good=is_good, changed_at=changed_at, failures=failures)
