"""How a wish reaches the daemon: over the Unix socket on its machine, or over HTTP through the web."""

from __future__ import annotations

import json
import os
import re
import select
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any, ClassVar, Protocol

from scheduler.door import LENGTH, Actor, DoorError, frame_length, pack_request, unpack
from scheduler.errors import DaemonUnreachable, SchedulerError, hint_of_silence

DEFAULT_TIMEOUT_S = 30.0
REPLACED_S = 2.0  # from the end of a daemon until the next one answers, and some more
# A file is checked first, and others may be before it; a diagnosis is given up by the daemon itself before that.
_LONG_S = {"bring_file": 240.0, "diagnose": 60.0}
# Commands that change nothing, or that an idempotency key protects: safe to send again on a fresh connection.
_REPEATABLE = frozenset({"status"})


class Transport(Protocol):
    """How a command reaches the daemon."""

    def call(self, command: str, actor: Actor, args: dict[str, Any]) -> dict[str, Any]:
        """The command's result. Raises SchedulerError."""
        ...


def _patience(command: str, patience_s: float) -> float:
    return _LONG_S.get(command, patience_s)


class _Line:
    """A connection that is closed with its last reference: when its thread ends, or the client is forgotten."""

    def __init__(self, path: Path, patience_s: float) -> None:
        self.number = 0
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(patience_s)
            self.sock.connect(short_path(path))
        except OSError:
            self.sock.close()
            raise

    def allow(self, seconds: float) -> None:
        """How long the daemon may take."""
        if self.sock.gettimeout() != seconds:
            self.sock.settimeout(seconds)

    def __del__(self) -> None:
        self.sock.close()


class UnixDoor:
    """One connection per thread; a connection that the daemon closed is made anew."""

    def __init__(self, path: Path, patience_s: float) -> None:
        self._path, self._patience_s = path, patience_s
        self._local = threading.local()

    def call(self, command: str, actor: Actor, args: dict[str, Any]) -> dict[str, Any]:
        """Send and wait. An idle connection that a restarted daemon dropped is replaced before anything is sent.

        What may be repeated is sent again where the connection broke: the daemon was replaced, and a new one opens its door
        soon. After a silence it is not: where somebody tends the daemon, one that hangs is replaced sooner than that.
        """
        is_safe = command in _REPEATABLE or bool(args.get("idempotency_key"))
        until: float | None = None  # so long a new daemon is waited for
        while True:
            try:
                return self._exchange(command, actor, args)
            except (TimeoutError, BlockingIOError) as error:  # the latter: so many wait already that nobody more may knock
                self._local.line = None
                reason = f"no answer in {_patience(command, self._patience_s):g} s" if isinstance(error, TimeoutError) else "busy"
                raise DaemonUnreachable(str(self._path), reason, hint=hint_of_silence(is_safe=is_safe)) from error
            except (OSError, EOFError, DoorError) as error:
                self._local.line = None
                is_gone = isinstance(error, ConnectionRefusedError | FileNotFoundError)
                if until is not None and time.monotonic() < until:  # nobody there yet, or the door of one that dies
                    time.sleep(0.05)
                elif is_safe and not is_gone and until is None:
                    until = time.monotonic() + REPLACED_S
                else:
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


class HttpDoor:
    """The same wishes over the web's control API, for another machine; only what the API offers."""

    _ROUTES: ClassVar[dict[str, tuple[str, str]]] = {
        "submit_job": ("POST", "/jobs"),
        "again": ("POST", "/jobs/{job_id}/again"),
        "cancel_job": ("POST", "/jobs/{job_id}/cancel"),
        "pause_job": ("POST", "/jobs/{job_id}/pause"),
        "resume_job": ("POST", "/jobs/{job_id}/resume"),
        "set_priority": ("POST", "/jobs/{job_id}/priority"),
        "consent": ("POST", "/jobs/{job_id}/consent"),
        "diagnose": ("GET", "/jobs/{job_id}/diagnosis"),
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
        "submit_session": ("POST", "/sessions"),
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
        return self._open(request, _patience(command, self._patience_s))

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
            if isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError):
                is_safe = request.method == "GET" or request.has_header("Idempotency-key")  # so urllib spells it
                hint = hint_of_silence(is_safe=is_safe)
                raise DaemonUnreachable(self._base, f"no answer in {timeout_s:g} s", hint=hint) from error
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


def short_path(path: Path) -> str:
    """A Unix socket's path has at most 107 bytes; a longer one is reached through its directory's descriptor."""
    text = str(path)
    if len(os.fsencode(text)) < 104:
        return text
    return os.path.relpath(text)
