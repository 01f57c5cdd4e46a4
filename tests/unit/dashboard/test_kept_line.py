"""The line that the feed keeps is the line that the store tells, read only where the log says that something moved."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from dashboard.kept_line import KeptLine
from dashboard.reads import Reads
from scheduler.client import SchedulerError
from scheduler.store.sql import jobs as sql
from tests.unit.dashboard.web_rig import Web, web

MOVES: tuple[tuple[str, str, dict[str, Any]], ...] = (  # of a job in a state: where it may go, and with what
    ("QUEUED", "QUEUED", {"priority": 90}), ("QUEUED", "QUEUED", {"hold": "paused", "is_paused": True}),
    ("QUEUED", "QUEUED", {"hold": "waiting_for_slot", "is_paused": False}), ("QUEUED", "CANCELLED", {}),
    ("QUEUED", "LEASED", {"slot": 0, "lease_id": "l1"}), ("LEASED", "QUEUED", {"slot": None, "hold": "preempted"}),
    ("LEASED", "RUNNING", {}), ("RUNNING", "QUEUED", {"slot": None, "hold": "recovering", "blocks_done": 3}),
)  # fmt: skip


class Kept:
    """A kept line that has seen everything up to now, and the log's place up to which it was told."""

    def __init__(self, house: Web) -> None:
        self.reads = house.house.reads
        self.line = KeptLine(self.reads)
        self.seq = self.reads.last_seq()
        self.line.ordered()

    def read_on(self) -> list[str]:
        """Tell it what is new in the log; the ids in its order."""
        rows = self.reads.audit_after(self.seq, 500)
        self.seq = rows[-1]["seq"] if rows else self.seq
        self.line.note(rows)
        return [job.id for job in self.line.ordered()]


def anew(reads: Reads) -> list[str]:
    """The same, read from the store."""
    return [job.id for job in reads.ordered()]


@pytest.mark.parametrize("seed", range(5))
def test_whatever_moves_the_kept_line_is_the_one_of_the_store(house: Web, seed: int) -> None:
    chance = random.Random(seed)
    states = {house.job(number, priority=chance.randint(0, 100)): "QUEUED" for number in range(1, 9)}
    kept = Kept(house)
    for step in range(60):
        if chance.random() < 0.2:
            states[house.job(100 + step, priority=chance.randint(0, 100))] = "QUEUED"
        job_id = chance.choice(sorted(states))
        ways = [way for way in MOVES if way[0] == states[job_id]]
        if ways:
            source, states[job_id], fields = chance.choice(ways)
            house.move(job_id, source, states[job_id], **fields)
        if chance.random() < 0.7:
            assert kept.read_on() == anew(kept.reads)
    assert kept.read_on() == anew(kept.reads)
    assert kept.line.ordered() == kept.reads.ordered(), "not only the order: every fact of every job"


def test_only_what_the_log_names_is_read(house: Web) -> None:
    for number in range(1, 4):
        house.job(number)
    kept = Kept(house)
    house.move("j000000000002", "QUEUED", "CANCELLED")
    asked: list[str] = []
    connection = kept.reads.store._connected()
    connection.set_trace_callback(asked.append)
    assert kept.read_on() == ["j000000000001", "j000000000003"]
    connection.set_trace_callback(None)
    assert sql.SELECT_WAITING not in asked
    assert [statement for statement in asked if "FROM jobs" in statement] == [
        sql.SELECT_CORE_BY_IDS.replace("?", "'[\"j000000000002\"]'")
    ]


def test_what_could_not_be_read_is_read_later(house: Web) -> None:
    first = house.job(1)
    kept = Kept(house)
    second = house.job(2)
    kept.line.note(kept.reads.audit_after(kept.seq, 500))
    kept.reads.data_dir = house.data_dir / "gone"
    with pytest.raises(SchedulerError):
        kept.line.ordered()
    kept.reads.data_dir = house.data_dir
    assert [job.id for job in kept.line.ordered()] == [first, second]


def test_a_new_store_is_read_from_the_beginning(house: Web, tmp_path: Path) -> None:
    house.job(1)
    kept = Kept(house)
    folder = tmp_path / "other"
    folder.mkdir()
    with web(folder) as other:
        job = other.job(7)
        kept.reads.data_dir = other.data_dir
        assert [job.id for job in kept.line.ordered()] == [job]


def test_no_fact_of_the_order_changes_without_a_row_of_the_log() -> None:
    facts = {
        "id", "ordinal", "user", "team", "state", "hold", "priority", "submitted_at", "total_blocks", "blocks_done", "block_ms",
        "deadline", "start_at", "not_before",
    }  # fmt: skip
    assert facts <= set(sql.CORE_COLUMNS)
    assert not facts & sql.NOTE_COLUMNS, "a note is written beside the log"
