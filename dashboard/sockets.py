"""Live updates over Socket.IO: a browser may subscribe to rooms and nothing else. Every change is a POST.

Who may connect: a signed-in person, or this machine itself (`local`) as far as rights.yaml gives it `see`. A client without
Origin and without sign-in from elsewhere is refused. Sockets end with the sign-in they were opened with.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from flask import request
from flask_socketio import ConnectionRefusedError, SocketIO, disconnect

from dashboard.api.models import MAX_SEQ
from dashboard.auth import caller
from dashboard.context import house
from dashboard.errors import WebError
from dashboard.guard import check_request
from dashboard.packets import Written
from dashboard.principal import Principal
from scheduler.client import SchedulerError

MAX_ROOMS = 8
_KINDS = ("role", "user", "job")


@dataclass(frozen=True)
class Listener:
    """One open socket: who opened it and which rooms it is in."""

    principal: Principal
    rooms: frozenset[str]


class Listeners:
    """Who listens to what. Threads may share one."""

    def __init__(self) -> None:
        self._by_sid: dict[str, Listener] = {}
        self._rooms: Counter[str] = Counter()
        self._lock = threading.Lock()

    def rooms(self) -> set[str]:
        """Rooms with somebody in them."""
        with self._lock:
            return {room for room, count in self._rooms.items() if count > 0}

    def inside(self, room: str) -> list[str]:
        """Sockets in the room."""
        with self._lock:
            return [sid for sid, listener in self._by_sid.items() if room in listener.rooms]

    def put(self, sid: str, principal: Principal, rooms: frozenset[str]) -> None:
        """A socket opened, or chose other rooms."""
        with self._lock:
            self._leave(sid)
            self._by_sid[sid] = Listener(principal, rooms)
            self._rooms.update(rooms)

    def remove(self, sid: str) -> None:
        """A socket closed."""
        with self._lock:
            self._leave(sid)

    def get(self, sid: str) -> Listener | None:
        """The socket's listener."""
        with self._lock:
            return self._by_sid.get(sid)

    def people(self) -> dict[str, Principal]:
        """Sockets of signed-in people."""
        with self._lock:
            return {sid: it.principal for sid, it in self._by_sid.items() if it.principal.is_signed_in}

    def __len__(self) -> int:
        with self._lock:
            return len(self._by_sid)

    def _leave(self, sid: str) -> None:
        old = self._by_sid.pop(sid, None)
        if old is not None:
            self._rooms.subtract(old.rooms)
            self._rooms += Counter()  # drops rooms that are empty now


class Speaker:
    """Says something to a room, a few sockets at a time.

    A socket that lags is written by a thread of its own; fifty that wake at once would make a request wait for all of them.
    """

    SLICE, MOST_SLICES, PAUSE_S, MOST_S = 6, 24, 0.003, 0.024  # sockets at once, slices, rest between, rest altogether

    def __init__(self, socketio: SocketIO, listeners: Listeners) -> None:
        self._socketio, self._listeners = socketio, listeners

    def __call__(self, name: str, payload: dict[str, Any], room: str) -> None:
        """Everybody in the room hears it."""
        sids, written = self._listeners.inside(room), Written(payload)
        size = max(self.SLICE, -(-len(sids) // self.MOST_SLICES))
        slices = [sids[start : start + size] for start in range(0, len(sids), size)]
        for index, some in enumerate(slices):
            if index:
                time.sleep(min(self.PAUSE_S, self.MOST_S / len(slices)))
            self._socketio.server.emit(name, written, to=some)


def may_enter(principal: Principal, room: str) -> bool:
    """May they listen in this room? A person's own room is theirs; what jobs' rooms carry has no words in it."""
    if room in ("global", "pulse"):
        return principal.may("see")
    kind, _, name = room.partition(":")
    if kind not in _KINDS or not name or len(room) > 200:
        return False
    if kind == "user":
        return principal.may("see") and (name == principal.name or principal.may("see_people"))
    return principal.may("see")


def end_sockets(socketio: SocketIO, listeners: Listeners, is_ended: Any) -> None:
    """Disconnect every signed-in socket for which `is_ended(principal)` is true."""
    people = listeners.people()
    ended = {principal for principal in set(people.values()) if is_ended(principal)}
    for sid, principal in people.items():
        if principal in ended:
            socketio.server.disconnect(sid)


def register_sockets(socketio: SocketIO, listeners: Listeners) -> None:
    """The three handlers there are."""

    @socketio.on("connect")
    def connect(_auth: Any = None) -> None:
        try:
            check_request()
            principal = caller()
        except (WebError, SchedulerError) as error:
            raise ConnectionRefusedError(error.code) from error
        if not principal.may("see"):
            raise ConnectionRefusedError("sign_in")
        listeners.put(request.sid, principal, frozenset())  # type: ignore[attr-defined]

    @socketio.on("subscribe")
    def subscribe(wish: Any = None) -> dict[str, Any]:
        """`{"rooms": […], "since": seq}` → `{"rooms": […], "seq": n}`; what was missed comes first."""
        sid: str = request.sid  # type: ignore[attr-defined]
        listener = listeners.get(sid)
        rooms = wish.get("rooms") if isinstance(wish, dict) else None
        if listener is None or not isinstance(rooms, list) or not all(isinstance(room, str) for room in rooms):
            disconnect()
            return {"rooms": [], "seq": -1}
        granted = frozenset(room for room in rooms[:MAX_ROOMS] if may_enter(listener.principal, room))
        feed, since = house().feed, wish.get("since")
        with feed.between_looks():
            listeners.put(sid, listener.principal, listener.rooms | granted)
            if isinstance(since, int) and 0 <= since <= MAX_SEQ:
                for name, payload in feed.replay(since, granted):
                    socketio.emit(name, payload, to=sid)
            return {"rooms": sorted(granted), "seq": feed.seq}

    @socketio.on("disconnect")
    def gone(_reason: Any = None) -> None:
        listeners.remove(request.sid)  # type: ignore[attr-defined]
