"""Wishes about what people bring: files of their own, and many videos at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scheduler.wishing import Wishing


class IntakeWishes(Wishing):
    """A part of `scheduler.client.Scheduler`; every method raises SchedulerError."""

    def bring_file(self, kind: str, path: str | Path, name: str | None = None) -> dict[str, Any]:
        """Bring a portrait or voice of one's own (`kind`); its `sha256` is what a request names as `portrait` or `voice`."""
        full = Path(path).resolve()
        return self._call("bring_file", kind=kind, path=str(full), name=name or full.name)

    def remove_file(self, sha256: str) -> dict[str, Any]:
        """Take one of one's own files away."""
        return self._call("remove_file", sha256=sha256)

    def request_session(
        self, user: str, parts: list[dict[str, Any]], idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """Ask for a relay of roles that becomes one video: each part begins where the one before it ends.

        `parts`: requests as `submit` takes them, `{"role", "duration_sec", …}`; all are taken or none.
        Returns `{"id": the first part's, "parts": […]}`.
        """
        return self.submit_session([{"user": user, **part} for part in parts], idempotency_key)

    def submit_session(self, parts: list[dict[str, Any]], idempotency_key: str | None = None) -> dict[str, Any]:
        """The same of requests that name their user; the same key with the same parts gives the same jobs back."""
        return self._call("submit_session", parts=parts, idempotency_key=idempotency_key)

    def check_batch(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        """What each request of a batch would become, without making anything: `{"items": […], "good", "bad", …}`."""
        return self._call("check_batch", items=items)

    def submit_batch(self, items: list[dict[str, Any]], key: str, *, is_all_or_nothing: bool = False) -> dict[str, Any]:
        """Submit many requests, `[{"name", "request"}]`; the same key with the same item gives the same job back.

        `is_all_or_nothing`: one refusal refuses all. Else what is good is taken and the rest says why.
        """
        return self._call("submit_batch", items=items, idempotency_key=key, is_all_or_nothing=is_all_or_nothing)
