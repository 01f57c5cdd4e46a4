"""The register of sockets: tabs that come at the same moment must all be in it."""

from __future__ import annotations

import contextlib
import itertools
import threading
from types import SimpleNamespace
from typing import Any

from dashboard.app import create_app
from dashboard.tab_register import TabRegister


class Meeting(dict[str, Any]):
    """A table in which two askers would meet between their question and their deed, if nothing kept them apart."""

    def __init__(self) -> None:
        super().__init__()
        self._barrier = threading.Barrier(2)

    def __contains__(self, name: object) -> bool:
        answer = super().__contains__(name)
        with contextlib.suppress(threading.BrokenBarrierError):
            self._barrier.wait(0.2)
        return answer


def test_tabs_that_come_at_the_same_moment_are_all_kept() -> None:
    register, numbers = TabRegister(), itertools.count()
    register.server = SimpleNamespace(eio=SimpleNamespace(generate_id=lambda: f"tab{next(numbers)}"))
    register.rooms = Meeting()
    tabs = [threading.Thread(target=register.pre_connect, args=(f"line{index}", "/")) for index in range(2)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    assert sorted(line for _, line in register.get_participants("/", None)) == ["line0", "line1"]


def test_web_uses_the_register_that_keeps_every_tab(tmp_path: Any) -> None:
    app = create_app(tmp_path)
    assert isinstance(app.extensions["socketio"].server.manager, TabRegister)
