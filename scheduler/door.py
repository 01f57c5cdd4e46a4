"""The wire between `scheduler.client` and the daemon: length-prefixed JSON on a Unix socket.

Request: `{"v": 1, "id": n, "command": …, "actor": {"name", "address", "request_id"}, "args": {…}}`;
answer: `{"id": n, "ok": true, "result": {…}}` or `{"id": n, "ok": false, "error": {…}}` (see `SchedulerError.to_json`).
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

DOOR_VERSION = 1
MAX_DOOR_BYTES = 2 << 20
LENGTH = struct.Struct(">I")


@dataclass(frozen=True)
class Actor:
    """Who acts: `user:<name>` for a person, `local` for a call without token from this machine, `system` for itself."""

    name: str = "local"
    address: str = ""
    request_id: str = ""


class DoorError(ValueError):
    """The bytes on the daemon's socket are not a request."""


def socket_path(data_dir: Path) -> Path:
    """Where the daemon of this data directory listens."""
    return data_dir / "run" / "daemon.sock"


def forecaster_path(data_dir: Path) -> Path:
    """Where the forecaster of this data directory listens."""
    return data_dir / "run" / "forecaster.sock"


def pack(message: dict[str, Any]) -> bytes:
    """One frame."""
    body = json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
    return LENGTH.pack(len(body)) + body


def pack_request(number: int, command: str, actor: Actor, args: dict[str, Any]) -> bytes:
    """One request frame."""
    return pack({"v": DOOR_VERSION, "id": number, "command": command, "actor": asdict(actor), "args": args})


def unpack(body: bytes) -> dict[str, Any]:
    """The message in a frame's body. Raises DoorError."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise DoorError(f"not JSON: {error}") from error
    if not isinstance(message, dict):
        raise DoorError("a message is a JSON object")
    return message


def frame_length(head: bytes) -> int:
    """Length announced by a frame's first four bytes. Raises DoorError when it is too large."""
    (length,) = LENGTH.unpack(head)
    if length > MAX_DOOR_BYTES:
        raise DoorError(f"a frame of {length} bytes; at most {MAX_DOOR_BYTES} are allowed")
    return int(length)
