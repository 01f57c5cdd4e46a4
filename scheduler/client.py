"""The one door to the scheduler: the Unix socket on this machine, HTTP with a token from another.

>>> from scheduler.client import Scheduler
>>> Scheduler().request_role("market-team", "presenter", priority=100)   # doctest: +SKIP
"""

from __future__ import annotations

import json
import os
import re
import select
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any, ClassVar, Protocol

from scheduler.door import LENGTH, Actor, DoorError, frame_length, pack_request, socket_path, unpack
from scheduler.errors import DaemonUnreachable, SchedulerError
from scheduler.intake_wishes import IntakeWishes
from scheduler.review_wishes import PasswordWishes, ReviewWishes

__all__ = ["Actor", "DaemonUnreachable", "Scheduler", "SchedulerError"]

DEFAULT_TIMEOUT_S = 30.0
_LONG_S = {"bring_file": 240.0}  # a file is checked first, and others may be before it
# Commands that change nothing, or that an idempotency key protects: safe to send again on a fresh connection.
_REPEATABLE = frozenset({"status"})


def default_data_dir() -> Path:
    """`$GREENROOM_DATA`, else `./var`."""
    return Path(os.environ.get("GREENROOM_DATA", "var"))


class Transport(Protocol):
    """How a command reaches the daemon."""

    def call(self, command: str, actor: Actor, args: dict[str, Any]) -> dict[str, Any]:
        """The command's result. Raises SchedulerError."""
        ...


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
            self._transport: Transport = _Http(address.rstrip("/"), token, patience_s)
        else:
            self._transport = _UnixSocket(socket_path(Path(address) if address else default_data_dir()), patience_s)

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


def _patience(command: str, patience_s: float) -> float:
    return _LONG_S.get(command, patience_s)


class _Line:
    """A connection that is closed with its last reference: when its thread ends, or the client is forgotten."""

    def __init__(self, path: Path, patience_s: float) -> None:
        self.number = 0
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(patience_s)
            self.sock.connect(_short(path))
        except OSError:
            self.sock.close()
            raise

    def allow(self, seconds: float) -> None:
        """How long the daemon may take."""
        if self.sock.gettimeout() != seconds:
            self.sock.settimeout(seconds)

    def __del__(self) -> None:
        self.sock.close()


class _UnixSocket:
    """One connection per thread; a connection that the daemon closed is made anew."""

    def __init__(self, path: Path, patience_s: float) -> None:
        self._path, self._patience_s = path, patience_s
        self._local = threading.local()

    def call(self, command: str, actor: Actor, args: dict[str, Any]) -> dict[str, Any]:
        """Send and wait. An idle connection that a restarted daemon dropped is replaced before anything is sent.

        What may be repeated is sent again where the connection broke: a new daemon may be there. After a silence it is not:
        where somebody tends the daemon, one that hangs is replaced sooner, and the connection with it.
        """
        tries = 2 if command in _REPEATABLE or args.get("idempotency_key") else 1
        while True:
            tries -= 1
            try:
                return self._exchange(command, actor, args)
            except TimeoutError as error:
                self._local.line = None
                reason = f"no answer in {_patience(command, self._patience_s):g} s"
                raise DaemonUnreachable(str(self._path), reason, is_silent=True) from error
            except (OSError, EOFError, DoorError) as error:
                self._local.line = None
                if tries <= 0:
                    raise DaemonUnreachable(str(self._path), str(error) or type(error).__name__) from error

    def _exchange(self, command: str, actor: Actor, args: dict[str, Any]) -> dict[str, Any]:
        line = self._connected()
        line.number += 1
        line.allow(_patience(command, self._patience_s))
        line.sock.sendall(pack_request(line.number, command, actor, args))
        answer = unpack(_read(line.sock))
        if answer.get("id") != line.number:
            raise DoorError("the answer belongs to another request")
        if not answer.get("ok"):
            raise SchedulerError.from_json(answer.get("error") or {})
        result = answer.get("result")
        assert isinstance(result, dict), "a result is a JSON object"
        return result

    def _connected(self) -> _Line:
        line: _Line | None = getattr(self._local, "line", None)
        if line is None or _is_closed_by_peer(line.sock):
            line = self._local.line = _Line(self._path, self._patience_s)
        return line


class _Http:
    """The same wishes over the web's control API, for another machine; only what the API offers."""

    _ROUTES: ClassVar[dict[str, tuple[str, str]]] = {
        "submit_job": ("POST", "/jobs"),
        "again": ("POST", "/jobs/{job_id}/again"),
        "cancel_job": ("POST", "/jobs/{job_id}/cancel"),
        "pause_job": ("POST", "/jobs/{job_id}/pause"),
        "resume_job": ("POST", "/jobs/{job_id}/resume"),
        "set_priority": ("POST", "/jobs/{job_id}/priority"),
        "consent": ("POST", "/jobs/{job_id}/consent"),
        "switch_role": ("POST", "/switch_role"),
        "status": ("GET", "/queue"),
        "put_roles": ("PUT", "/roles"),
        "pause_queue": ("POST", "/queue/pause"),
        "resume_queue": ("POST", "/queue/resume"),
        "drain_slot": ("POST", "/slots/{slot}/drain"),
        "file_plan": ("PUT", "/plan"),
        "check_plan": ("POST", "/plan/check"),
        "rehearse": ("POST", "/rehearsals"),
        "check_batch": ("POST", "/jobs/batch/check"),
        "submit_batch": ("POST", "/jobs/batch"),
        "write_note": ("POST", "/jobs/{job_id}/notes"),
        "change_note": ("POST", "/jobs/{job_id}/notes/{number}"),
        "judge": ("POST", "/jobs/{job_id}/verdict"),
    }

    def __init__(self, base: str, token: str | None, patience_s: float) -> None:
        self._base, self._token, self._patience_s = base, token, patience_s

    def call(self, command: str, actor: Actor, args: dict[str, Any]) -> dict[str, Any]:
        """One HTTP request; the token decides who the actor is."""
        if "base_dir" in args:
            raise SchedulerError(
                400, "not_over_http", "A folder of this machine means nothing to the other one.", field="base_dir",
                hint="Leave it out: file names are looked up beside the registry loaded last.",
            )  # fmt: skip
        if command == "bring_file":
            return self._send_file(Path(args["path"]), args["kind"], args["name"])
        if command not in self._ROUTES:
            raise SchedulerError(
                400, "not_over_http", f"{command} is not offered over HTTP.", hint="Call it on the machine itself."
            )
        method, route = self._ROUTES[command]
        body = dict(args)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key := body.pop("idempotency_key", None):
            headers["Idempotency-Key"] = key
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        for name in re.findall(r"\{(\w+)\}", route):
            route = route.replace(f"{{{name}}}", urllib.parse.quote(str(body.pop(name)), safe=""))
        payload = json.dumps(body.pop("request", body)).encode() if method != "GET" else None
        request = urllib.request.Request(self._base + route, data=payload, headers=headers, method=method)
        return self._open(request, self._patience_s)

    def _send_file(self, path: Path, kind: str, name: str) -> dict[str, Any]:
        """The file as the body, as it is read: it may be larger than memory."""
        headers = {"Content-Type": "application/octet-stream", "Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        address = f"{self._base}/uploads?{urllib.parse.urlencode({'kind': kind, 'name': name})}"
        try:
            with path.open("rb") as file:
                headers["Content-Length"] = str(path.stat().st_size)
                request = urllib.request.Request(address, data=file, headers=headers, method="POST")
                return self._open(request, _LONG_S["bring_file"])
        except FileNotFoundError as error:
            raise SchedulerError(422, "no_file", f"{name} is not there.", field=kind, hint="Check the path.") from error

    def _open(self, request: urllib.request.Request, timeout_s: float) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as response:
                result = json.load(response)
        except urllib.error.HTTPError as error:
            raise _http_error(error) from error
        except (OSError, ValueError, HTTPException) as error:  # the last: the answer broke off
            raise DaemonUnreachable(self._base, str(error)) from error
        assert isinstance(result, dict), "a result is a JSON object"
        return result


def _http_error(error: urllib.error.HTTPError) -> SchedulerError:
    try:
        body = json.loads(error.read())["error"]
        return SchedulerError.from_json({**body, "status": error.code})
    except (OSError, ValueError, KeyError, TypeError, HTTPException):
        return SchedulerError(error.code, "http_error", f"HTTP {error.code} {error.reason}")


def _read(sock: socket.socket) -> bytes:
    """The body of one frame; nothing follows it unasked."""
    data = bytearray()
    end = LENGTH.size
    while len(data) < end:
        chunk = sock.recv(1 << 16)
        if not chunk:
            raise EOFError("the daemon closed the connection")
        data += chunk
        if end == LENGTH.size <= len(data):
            end += frame_length(bytes(data[: LENGTH.size]))
    if len(data) > end:
        raise DoorError("more than one answer came")
    return bytes(data[LENGTH.size :])


def _is_closed_by_peer(sock: socket.socket) -> bool:
    """True when the idle connection has been closed (or, never expected, has unread bytes)."""
    look = select.poll()
    look.register(sock, select.POLLIN)
    return bool(look.poll(0))


def _short(path: Path) -> str:
    """A Unix socket's path has at most 107 bytes; a longer one is reached through its directory's descriptor."""
    text = str(path)
    if len(os.fsencode(text)) < 104:
        return text
    return os.path.relpath(text)
