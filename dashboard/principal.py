"""Who is calling, and what they may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["session", "token", "local", "nobody"]


@dataclass(frozen=True)
class Principal:
    """A caller. `name` is the person, `local` for this machine without sign-in, empty for nobody."""

    kind: Kind
    name: str
    group: str
    team: str
    rights: frozenset[str]
    session_version: int = 0
    until: float = float("inf")  # a session ends then, seconds since 1970
    token_sha256: str = ""

    def may(self, right: str) -> bool:
        """Is the right theirs?"""
        return right in self.rights

    @property
    def actor(self) -> str:
        """How the scheduler's audit names them."""
        return f"user:{self.name}" if self.kind in ("session", "token") else "local"

    @property
    def is_signed_in(self) -> bool:
        """A person, not a machine or nobody."""
        return self.kind in ("session", "token")

    def seat_key(self, address: str) -> str:
        """Who is counted when long-lived connections are: a person, or an address."""
        return f"user:{self.name}" if self.is_signed_in else f"address:{address}"

    def owns(self, job: Mapping[str, Any]) -> bool:
        """Is the job theirs?"""
        return bool(self.name) and job["user"] == self.name

    def may_read_words(self, job: Mapping[str, Any]) -> bool:
        """May they read the job's prompt and context and watch its video?"""
        return self.owns(job) or self.may("see_words")

    def may_change(self, job: Mapping[str, Any]) -> bool:
        """May they cancel, pause or resume the job?"""
        return self.may("change_any") or (self.owns(job) and self.may("change_own"))

    def may_comment(self, job: Mapping[str, Any]) -> bool:
        """May they write notes on the job's video?"""
        return self.may("comment") and self.may_read_words(job)

    def may_judge(self, job: Mapping[str, Any]) -> bool:
        """May they approve or reject the job's video?"""
        return self.may_read_words(job) and self.may("judge_own" if self.owns(job) else "judge")


NOBODY = Principal("nobody", "", "", "", frozenset())
