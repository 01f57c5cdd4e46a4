"""What keeps Greenroom from starting is said in one sentence, with the way out and an exit code."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from scheduler import preflight
from scheduler.preflight import CannotStart, check_port, lock_data_dir, prepare_data_dir


def test_port_in_use_is_named_with_another_one() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(CannotStart, match=f"--port {port + 1}") as caught:
            check_port("127.0.0.1", port)
    assert caught.value.exit_code == preflight.EXIT_PORT_IN_USE


def test_unknown_host_is_refused() -> None:
    with pytest.raises(CannotStart, match=r"--host 127\.0\.0\.1"):
        check_port("no-such-host.invalid", 8000)


def test_second_start_on_the_same_data_is_refused_with_the_first_one_named(tmp_path: Path) -> None:
    prepare_data_dir(tmp_path)
    with lock_data_dir(tmp_path):
        with pytest.raises(CannotStart, match=str(os.getpid())) as caught:
            lock_data_dir(tmp_path)
        assert caught.value.exit_code == preflight.EXIT_ALREADY_RUNNING
    lock_data_dir(tmp_path).close()


def test_data_dir_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")
    with pytest.raises(CannotStart, match="--data DIR") as caught:
        prepare_data_dir(tmp_path / "var")
    assert caught.value.exit_code == preflight.EXIT_NO_RIGHTS


def test_too_little_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "MIN_FREE_BYTES", 1 << 60)
    with pytest.raises(CannotStart, match="MiB are free") as caught:
        prepare_data_dir(tmp_path)
    assert caught.value.exit_code == preflight.EXIT_NO_SPACE


def test_run_directory_is_private(tmp_path: Path) -> None:
    prepare_data_dir(tmp_path)
    assert (tmp_path / "run").stat().st_mode & 0o077 == 0
