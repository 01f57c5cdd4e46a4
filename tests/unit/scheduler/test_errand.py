"""A command run for the daemon in a process of its own: its answer, its refusal, and nothing left of one that hangs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from scheduler.errand import run_errand
from scheduler.errors import SchedulerError
from tests.unit.scheduler.store_rig import accept, writer


def played(data_dir: Path, timeout_s: float, *words: str) -> dict[str, Any]:
    return asyncio.run(run_errand(data_dir, timeout_s, *words))


def test_answer_of_a_command_comes_back_whatever_its_exit_code(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        accept(store, 1, recipe={"prompt": "Explain rain", "settings": {}})
    (tmp_path / "audit.head").unlink()
    answer = played(tmp_path, 60.0, "audit", "verify")
    assert (answer["ok"], answer["code"]) == (False, 21)


def test_what_the_command_refuses_is_refused_in_the_same_words(tmp_path: Path) -> None:
    with pytest.raises(SchedulerError) as caught:
        played(tmp_path, 60.0, "diagnose", "j1")
    assert (caught.value.status, caught.value.code) == (422, "no_store")


def test_command_that_takes_too_long_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid_file = tmp_path / "pid"
    hanging = tmp_path / "python"
    hanging.write_text(f"#!/bin/sh\nsleep 600 &\necho $! > {pid_file}.part\nmv {pid_file}.part {pid_file}\nwait\n")
    hanging.chmod(0o755)
    monkeypatch.setattr("scheduler.errand.sys.executable", str(hanging))

    async def cancelled_when_it_hangs() -> None:
        task = asyncio.create_task(run_errand(tmp_path, 60.0, "diagnose", "j1"))
        while not pid_file.exists():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled_when_it_hangs())
    state = Path(f"/proc/{pid_file.read_text().strip()}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"
    with pytest.raises(SchedulerError, match=r"diagnose took more than 0\.01 s") as caught:
        played(tmp_path, 0.01, "diagnose", "j1")
    assert caught.value.code == "check_timed_out"


def test_command_without_an_answer_is_told_as_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scheduler.errand.sys.executable", "/bin/false")
    with pytest.raises(SchedulerError, match="diagnose ended with 1 and no answer"):
        played(tmp_path, 60.0, "diagnose", "j1")
