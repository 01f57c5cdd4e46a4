"""The daemon's side of the door: requests from the Unix socket, answers in order per connection."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from scheduler.door import DOOR_VERSION, LENGTH, Actor, DoorError, frame_length, pack, unpack
from scheduler.errors import SchedulerError

Handler = Callable[[str, Actor, dict[str, Any]], Awaitable[dict[str, Any]]]
_log = logging.getLogger("greenroom.door")
_INTERNAL = SchedulerError(
    500, "internal_error", "The scheduler failed at this request; nothing was changed.", hint="The daemon's log has the details."
)


class DoorServer:
    """Listens on a Unix socket that only its owner may open; a request's error is answered, never fatal."""

    def __init__(self, path: Path, handle: Handler) -> None:
        self._path = path
        self._handle = handle
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Open the door. Its appearing is the sign that the daemon is ready, so it is renamed into place when it listens."""
        early = self._path.with_suffix(".opening")
        early.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, path=str(early))
        early.chmod(0o600)
        early.rename(self._path)

    async def stop(self) -> None:
        """Close the door and every connection."""
        assert self._server is not None
        self._path.unlink(missing_ok=True)
        self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while True:
                body = await reader.readexactly(frame_length(await reader.readexactly(LENGTH.size)))
                writer.write(pack(await self._answer(unpack(body))))
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass  # the client hung up
        except DoorError as error:
            _log.warning("a client sent no request: %s", error)
        except asyncio.CancelledError:
            pass  # the daemon is stopping
        finally:
            self._connections.discard(task)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        number = request.get("id")
        try:
            command, actor, args = _parse(request)
            return {"id": number, "ok": True, "result": await self._handle(command, actor, args)}
        except SchedulerError as error:
            return {"id": number, "ok": False, "error": error.to_json()}
        except Exception:  # noqa: BLE001 a fault in one request must not close the door; it is logged and answered
            _log.exception("request failed")
            return {"id": number, "ok": False, "error": _INTERNAL.to_json()}


def _parse(request: dict[str, Any]) -> tuple[str, Actor, dict[str, Any]]:
    if request.get("v") != DOOR_VERSION:
        raise SchedulerError(
            400, "wrong_version", f"Door version {request.get('v')!r} is not {DOOR_VERSION}.",
            hint="Client and daemon come from different releases: restart both.",
        )  # fmt: skip
    command, args, actor = request.get("command"), request.get("args"), request.get("actor")
    if not isinstance(command, str) or not isinstance(args, dict) or not isinstance(actor, dict):
        raise SchedulerError(400, "bad_request", "A request has command, actor and args.")
    parts = {name: actor.get(name, "") for name in ("name", "address", "request_id")}
    if not all(isinstance(part, str) and len(part) <= 200 for part in parts.values()) or not parts["name"]:
        raise SchedulerError(400, "bad_request", "An actor has a name, an address and a request id.", field="actor")
    return command, Actor(**parts), args
