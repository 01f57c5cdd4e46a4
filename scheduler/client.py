"""The one door to the scheduler: the Unix socket on this machine, HTTP with a token from another.

>>> from scheduler.client import Scheduler
>>> Scheduler().request_role("market-team", "presenter", priority=100)   # doctest: +SKIP
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from scheduler.door import Actor, socket_path
from scheduler.errors import DaemonUnreachable, SchedulerError
from scheduler.intake_wishes import IntakeWishes
from scheduler.review_wishes import PasswordWishes, ReviewWishes
from scheduler.transport import DEFAULT_TIMEOUT_S, HttpDoor, Transport, UnixDoor

__all__ = ["Actor", "DaemonUnreachable", "Scheduler", "SchedulerError"]



def default_data_dir() -> Path:
    """`$GREENROOM_DATA`, else `./var`."""
    return Path(os.environ.get("GREENROOM_DATA", "var"))


class Scheduler(IntakeWishes, ReviewWishes, PasswordWishes):
    """Wishes to the scheduler. Every method returns plain data and raises SchedulerError. Threads may share one.

    `address`: None for the daemon of `$GREENROOM_DATA` (default `./var`), a data directory, or `http://host:port` of
    the web, then with a `token`. `patience_s`: how long an answer may take.
    """

    def __init__(
        self, address: str | Path | None = None, *, token: str | None = None, actor: Actor | None = None,
        patience_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:  # fmt: skip
        self._actor = actor or Actor()
        if isinstance(address, str) and address.startswith(("http://", "https://")):
            self._transport: Transport = HttpDoor(address.rstrip("/"), token, patience_s)
        else:
            self._transport = UnixDoor(socket_path(Path(address) if address else default_data_dir()), patience_s)

    def as_actor(self, name: str, address: str = "", request_id: str = "") -> Scheduler:
        """The same door, used in the name of somebody else (the web does this after it knows who is calling)."""
        other = object.__new__(Scheduler)
        other._actor = Actor(name, address, request_id)
        other._transport = self._transport
        return other

    def _call(self, command: str, **args: Any) -> dict[str, Any]:
        return self._transport.call(command, self._actor, {k: v for k, v in args.items() if v is not None})

    def request_role(
        self, user: str, role: str, duration_sec: float | None = None, priority: int | None = None, **overrides: Any
    ) -> dict[str, Any]:
        """Ask for a video of a role. Without a duration the voice decides; without a priority the role does.

        `overrides`: context, preset, size, steps, seed, num_clip, infer_frames, fill, degrade, deadline_sec,
        start_in_sec, follows, preview_first, portrait, voice (sha256 of files brought before), idempotency_key.
        Returns `{"id", "state", "place", "estimate", "decision"}`, with preview_first also `preview` and `cost`.
        """
        key = overrides.pop("idempotency_key", None)
        request = {"user": user, "role": role, "duration_sec": duration_sec, "priority": priority, **overrides}
        return self.submit({k: v for k, v in request.items() if v is not None}, idempotency_key=key)

    def submit(self, request: dict[str, Any], idempotency_key: str | None = None) -> dict[str, Any]:
        """Submit a job; the same key with the same request gives the same job back."""
        return self._call("submit_job", request=request, idempotency_key=idempotency_key)

    def again(self, job_id: str) -> dict[str, Any]:
        """Submit a job that repeats another's recipe exactly."""
        return self._call("again", job_id=job_id)

    def renew_preview(self, job_id: str) -> dict[str, Any]:
        """Make the preview of a waiting job again, where the first failed or was cancelled: another job, named as `preview`."""
        return self._call("renew_preview", job_id=job_id)

    def cancel(self, job_id: str) -> dict[str, Any]:
        """End a job; a running one stops at its next block."""
        return self._call("cancel_job", job_id=job_id)

    def pause(self, job_id: str) -> dict[str, Any]:
        """Let a job wait; a running one stops at its next block and keeps its place in the film."""
        return self._call("pause_job", job_id=job_id)

    def resume(self, job_id: str) -> dict[str, Any]:
        """Let a paused job go on."""
        return self._call("resume_job", job_id=job_id)

    def set_priority(self, job_id: str, priority: int, reason: str = "") -> dict[str, Any]:
        """Give a job another priority (0 to 100)."""
        return self._call("set_priority", job_id=job_id, priority=priority, reason=reason)

    def consent(self, job_id: str, is_agreed: bool) -> dict[str, Any]:
        """Answer a job that waits as `awaiting_consent`."""
        return self._call("consent", job_id=job_id, is_agreed=is_agreed)

    def diagnose(self, job_id: str) -> dict[str, Any]:
        """What spoilt a job's video, for some seconds; docs/diagnosis.md lists the keys."""
        return self._call("diagnose", job_id=job_id)

    def switch_role(
        self, role: str, context: dict[str, Any] | None = None, slot: int | None = None
    ) -> dict[str, Any]:
        """Make a role ready on a slot and the default of its stage (requirements A2). Touches no running job."""
        return self._call("switch_role", role=role, context=context or {}, slot=slot)

    def put_roles(self, text: str, base_dir: str | Path | None = None) -> dict[str, Any]:
        """Replace the registry by this YAML text; file names in it are relative to `base_dir`.

        Without `base_dir`: to the folder of the registry loaded last. Over HTTP it must be left out.
        """
        return self._call("put_roles", text=text, base_dir=None if base_dir is None else str(Path(base_dir).resolve()))

    def status(self) -> dict[str, Any]:
        """What runs now: daemon, slots, standbys, vault, queue, disk."""
        return self._call("status")

    def pause_queue(self, reason: str = "", for_s: int | None = None) -> dict[str, Any]:
        """Start nothing new, until somebody resumes or so many seconds are over."""
        return self._call("pause_queue", reason=reason, for_s=for_s)

    def resume_queue(self) -> dict[str, Any]:
        """Start jobs again."""
        return self._call("resume_queue")

    def drain_slot(self, slot: int, is_drained: bool = True) -> dict[str, Any]:
        """Give a slot no new work, or work again."""
        return self._call("drain_slot", slot=slot, is_drained=is_drained)

    def file_plan(self, text: str, kind: str = "yaml") -> dict[str, Any]:
        """File a day's plan (`kind`: yaml or csv): `{"day", "videos", "entries", "plan_sha256"}`."""
        return self._call("file_plan", text=text, kind=kind)

    def check_plan(self, text: str | None = None, kind: str = "yaml") -> dict[str, Any]:
        """Check a plan, or without one what is filed for today: the report of `--validate`, which is kept;
        `{"is_running": true}` where that takes longer than this waits."""
        return self._call("check_plan", kind=kind, **({} if text is None else {"text": text}))

    def rehearse(self, day: str = "peak", seed: int = 0) -> dict[str, Any]:
        """Simulate a day of load: the report of `--stress`, which is kept; `{"is_running": true}` as above."""
        return self._call("rehearse", day=day, seed=seed)

    def keep_rehearsal(self, report: dict[str, Any]) -> dict[str, Any]:
        """Keep the report of a rehearsal: `{"number"}`."""
        return self._call("keep_rehearsal", report=report)

    def keep_forecasts(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Keep what the forecaster told people."""
        return self._call("keep_forecasts", rows=rows)

    def create_login_link(self, user: str, group: str, team: str = "") -> dict[str, Any]:
        """A one-time sign-in token for a person: `{"token", "path", "expires_at"}`."""
        return self._call("create_login_link", user=user, group=group, team=team)

    def redeem_login_link(self, token: str) -> dict[str, Any]:
        """Use a one-time token up: `{"user", "group", "team", "session_version"}`."""
        return self._call("redeem_login_link", token=token)

    def create_token(self, user: str, label: str) -> dict[str, Any]:
        """An API token of a person; shown once: `{"token", "label"}`."""
        return self._call("create_token", user=user, label=label)

    def revoke_token(self, label: str) -> dict[str, Any]:
        """Make every API token with this label worthless."""
        return self._call("revoke_token", label=label)

    def end_sessions(self, user: str) -> dict[str, Any]:
        """Sign a person out everywhere."""
        return self._call("end_sessions", user=user)

    def record(self, action: str, object: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write a deed that changes no state (an export, a verification) into the audit."""
        return self._call("record", action=action, object=object, body=body or {})
