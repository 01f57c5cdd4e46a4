"""What is no file is said at once: nobody waits for a pipe's writer or reads a device to its end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.model.checkpoint.check import check
from engine.model.hashes import hash_file
from engine.model.pocket import write_pocket
from engine.regular_file import NoRegularFile, open_regular, read_regular


def test_file_and_a_link_to_one_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "file") == read_regular(tmp_path / "link") == b"content"
    assert hash_file(tmp_path / "link").startswith("ed7002b4")


def test_pipe_device_folder_and_nothing_are_refused_and_no_descriptor_stays(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(NoRegularFile, match="no regular file"):
            open_regular(path)
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "absent")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("name", ["model.json", "vae.safetensors"])
def test_model_with_a_pipe_for_a_file_is_checked_without_waiting(tmp_path: Path, name: str) -> None:
    write_pocket(tmp_path)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    assert name in {problem.file for problem in check(tmp_path, is_deep=True).problems}
