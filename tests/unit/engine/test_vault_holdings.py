"""The vault's books when the operating system refuses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.vault import memory_file
from engine.vault.file_load import FileLoad
from engine.vault.holdings import Holdings


def test_file_that_cannot_be_sealed_is_given_up_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights"
    path.write_bytes(os.urandom(100))
    held = Holdings(1 << 20)
    before = set(Path("/proc/self/fd").iterdir())

    def refuse(descriptor: int) -> None:
        raise OSError(16, "busy")

    with monkeypatch.context() as patch:
        patch.setattr(memory_file, "seal_for_good", refuse)
        load = _read(held, path)
        with pytest.raises(OSError, match="busy"):
            held.keep_load(load)
        held.drop_load(load)  # as the server does: it lives on
    assert held.loads == {} and held.held_bytes == 0 and set(Path("/proc/self/fd").iterdir()) == before
    assert held.keep_load(_read(held, path)).bytes == 100
    held.drop_file(str(path))


def _read(held: Holdings, path: Path) -> FileLoad:
    load = held.find_file(str(path), None, "tests")
    assert isinstance(load, FileLoad)
    while not load.step():
        pass
    return load
