"""Who is connected, kept by threads that may come at the same moment.

The library's register asks first and acts afterwards, without a lock. When many tabs come at once (a web that is back after
a fault has all of them in one second), two may each make the same table, and one forgets the tabs of the other: those stay
open and hear nothing, for ever. Here each question with its deed is one step.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

from socketio import Manager


def _in_one_step(name: str) -> Callable[..., Any]:
    inner = getattr(Manager, name)

    @functools.wraps(inner)
    def alone(self: TabRegister, *args: Any, **kwargs: Any) -> Any:
        with self.lock:
            return inner(self, *args, **kwargs)

    return alone


class TabRegister(Manager):  # type: ignore[misc]
    """The library's register of sockets; nothing is sent while its lock is held."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.RLock()

    pre_connect = _in_one_step("pre_connect")
    connect = _in_one_step("connect")
    is_connected = _in_one_step("is_connected")
    pre_disconnect = _in_one_step("pre_disconnect")
    disconnect = _in_one_step("disconnect")
    enter_room = _in_one_step("enter_room")
    leave_room = _in_one_step("leave_room")
    close_room = _in_one_step("close_room")

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        """(socket, connection) of everybody in a room or in several, as of now."""
        with self.lock:
            return iter(list(super().get_participants(namespace, room)))
