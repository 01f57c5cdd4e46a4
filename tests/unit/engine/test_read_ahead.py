"""Reading ahead: everything there is, and nothing that is not."""

from __future__ import annotations

import mmap
import threading
from pathlib import Path

import pytest

from engine import read_ahead


def _finish() -> None:
    for thread in threading.enumerate():
        if thread.name == "read-ahead":
            thread.join(10)


def test_every_piece_of_every_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[str, int]] = []
    sizes = {"a.safetensors": 3 * mmap.PAGESIZE, "b.safetensors": 1, "c.txt": 5}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(b"x" * size)
    monkeypatch.setattr(read_ahead, "PIECE_BYTES", mmap.PAGESIZE)
    real = read_ahead.os.preadv

    def preadv(descriptor: int, buffers: list[bytearray], offset: int) -> int:
        name = Path(f"/proc/self/fd/{descriptor}").resolve().name
        read.append((name, offset))
        return real(descriptor, buffers, offset)

    monkeypatch.setattr(read_ahead.os, "preadv", preadv)
    read_ahead.read_ahead(tmp_path)
    _finish()
    assert sorted(read) == [("a.safetensors", n * mmap.PAGESIZE) for n in range(3)] + [("b.safetensors", 0)]


def test_a_missing_directory_is_somebody_elses_error(tmp_path: Path) -> None:
    read_ahead.read_ahead(tmp_path / "nowhere")
    _finish()
