"""Python's own pauses, in the two processes that a submission passes through."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from dashboard import serving
from scheduler import daemon


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    interval = sys.getswitchinterval()
    yield
    sys.setswitchinterval(interval)
    gc.unfreeze()


def test_daemon_hands_over_soon_and_never_searches_what_it_imported_for_garbage() -> None:
    daemon.avoid_pauses()
    assert sys.getswitchinterval() == pytest.approx(daemon.GIVE_WAY_S) and daemon.GIVE_WAY_S < 0.005
    assert gc.get_freeze_count() > 10_000


def test_web_hands_over_soon_and_never_searches_what_it_imported_for_garbage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving.ctypes, "CDLL", lambda _: SimpleNamespace(prctl=lambda *_: 0))
    monkeypatch.setattr(serving.os, "getppid", lambda: 1)
    monkeypatch.setattr(serving.util, "close_graceful", None)
    serving.post_fork(SimpleNamespace(pid=1), None)
    serving.post_worker_init(None)
    assert sys.getswitchinterval() == pytest.approx(serving.GIVE_WAY_S) and serving.GIVE_WAY_S < 0.005
    assert gc.get_freeze_count() > 10_000
