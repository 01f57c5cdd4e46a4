"""Remembered hashes: right for what has not changed, forgotten for what has, never trusted for small files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from engine.errors import WeightsError
from engine.model import hashes
from engine.model.hashes import FileHashes
from engine.model.loading import open_remembered


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that counts as large."""
    monkeypatch.setattr(hashes, "ALWAYS_READ_BELOW", 100)
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)))
    return path


def test_large_file_is_read_once_and_again_when_it_changed(large: Path, tmp_path: Path) -> None:
    store, right = tmp_path / "cache" / "hashes.json", hashlib.sha256(large.read_bytes()).hexdigest()
    assert FileHashes(store).of(large) == right
    assert FileHashes(store).remembered(large) == right, "another process finds it"
    before = large.stat()
    large.write_bytes(bytes(256))
    os.utime(large, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert FileHashes(store).remembered(large) is None
    assert FileHashes(store).of(large) == hashlib.sha256(bytes(256)).hexdigest()


def test_small_file_is_read_every_time(tmp_path: Path) -> None:
    path, store = tmp_path / "small", FileHashes(tmp_path / "hashes.json")
    path.write_bytes(b"one")
    before = path.stat()
    store.of(path)
    path.write_bytes(b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.of(path) == hashlib.sha256(b"two").hexdigest()


def test_store_that_is_torn_or_has_no_place_is_done_without(large: Path, tmp_path: Path) -> None:
    right = hashlib.sha256(large.read_bytes()).hexdigest()
    (tmp_path / "torn.json").write_text('{"/x": [1,')
    assert FileHashes(tmp_path / "torn.json").of(large) == right
    assert FileHashes(tmp_path / "torn.json").remembered(large) == right
    assert FileHashes(large / "no" / "place.json").of(large) == right


def test_demanded_hash_is_compared_with_the_remembered_one_too(large: Path, tmp_path: Path) -> None:
    open_file = open_remembered(FileHashes(tmp_path / "hashes.json"))
    for _ in range(2):
        assert open_file(str(large), None)[1] == hashlib.sha256(large.read_bytes()).hexdigest()
        with pytest.raises(WeightsError, match="sha256"):
            open_file(str(large), "0" * 64)
