"""What a data directory that takes no writes is answered with."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from scheduler import room
from scheduler.errors import SchedulerError


def test_directory_with_room_is_proved_and_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    room.prove_room(tmp_path)
    assert list((tmp_path / "run").iterdir()) == []


def test_too_little_room_is_refused_as_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(room, "NEEDED_BYTES", 1 << 62)
    with pytest.raises(SchedulerError, match="are needed") as caught:
        room.prove_room(tmp_path)
    assert (caught.value.status, caught.value.code) == (507, "disk_full")


@pytest.mark.parametrize(("number", "status", "code"), [
    (errno.ENOSPC, 507, "disk_full"), (errno.EDQUOT, 507, "disk_full"), (errno.EROFS, 503, "store_failed"),
    (errno.EIO, 503, "store_failed"),
])  # fmt: skip
def test_refusal_of_the_disk_has_its_status(number: int, status: int, code: str, tmp_path: Path) -> None:
    refusal = room.refusal_of(tmp_path, OSError(number, "no"))
    assert (refusal.status, refusal.code) == (status, code)
    assert refusal.hint
