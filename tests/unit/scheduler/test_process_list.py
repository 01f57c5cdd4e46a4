"""The list of started processes on a disk that refuses or tears its lines."""

from __future__ import annotations

import os
from pathlib import Path

from scheduler.spawn import ProcessList, ProcessRecord, boot_id, start_time


def this_process() -> ProcessRecord:
    """A record of a process that certainly runs."""
    started = start_time(os.getpid())
    assert started is not None
    return ProcessRecord(kind="worker", pid=os.getpid(), start_time=started, boot_id=boot_id(), parent=1)


def test_torn_line_does_not_hide_the_next_one(tmp_path: Path) -> None:
    (tmp_path / "processes.jsonl").write_text('{"kind": "worker", "pid": 12')
    processes = ProcessList(tmp_path)
    processes.add(this_process())
    assert processes.alive() == [this_process()]


def test_disk_that_refuses_the_list_keeps_no_process_from_starting(tmp_path: Path) -> None:
    (tmp_path / "processes.jsonl").mkdir()
    ProcessList(tmp_path).add(this_process())
