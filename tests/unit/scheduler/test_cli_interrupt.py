"""Ctrl-C before the command line is even loaded: no traceback, the code that shells know."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from scheduler import cli


class Loading(ModuleType):
    """A module whose loading takes long enough for somebody to give up."""

    def __getattr__(self, name: str) -> object:
        raise KeyboardInterrupt


def test_interrupt_while_loading_ends_quietly_with_130(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "scheduler.cli.app", Loading("scheduler.cli.app"))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130
    assert capfd.readouterr() == ("", "")
