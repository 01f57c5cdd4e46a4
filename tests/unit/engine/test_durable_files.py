"""Durable files: what must be flushed to the disk, and in which order, so that a name never outlasts what it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.media import durable


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What was flushed, in order."""
    found: list[Path] = []
    original = durable.sync

    def note(path: Path) -> None:
        found.append(path)
        original(path)

    monkeypatch.setattr(durable, "sync", note)
    return found


def test_file_is_flushed_before_its_name_and_its_name_before_anybody_is_told(tmp_path: Path, synced: list[Path]) -> None:
    durable.write_whole(tmp_path / "a", b"content")
    assert synced == [tmp_path / "a.part", tmp_path]
    assert (tmp_path / "a").read_bytes() == b"content"


def test_new_folders_are_flushed_from_the_top_down_before_anything_lies_in_them(tmp_path: Path, synced: list[Path]) -> None:
    durable.write_whole(tmp_path / "job" / "blocks" / "a", b"content")
    assert synced[:2] == [tmp_path, tmp_path / "job"]
    synced.clear()
    durable.make_folder(tmp_path / "job" / "blocks")
    assert synced == [], "folders that were there cost nothing"
