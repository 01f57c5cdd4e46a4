"""Jobs in the store: accepted, moved and read, each change with its row in the log."""

from __future__ import annotations

import dataclasses
import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from scheduler.core.actions import DropContext, MoveJob, Record
from scheduler.core.job import LEGAL_MOVES, HoldReason, Job, JobState
from scheduler.store import StoreConflict
from scheduler.store.sql.jobs import CORE_COLUMNS
from tests.unit.scheduler.store_rig import AT, READER, accept, block, go, move, new_job, writer

ID = "j000000000001"


def test_an_accepted_job_has_its_log_row_and_no_words_of_its_prompt(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        accept(store)
        (row,) = store.story(ID)
        assert (row["action"], row["actor"], row["address"]) == ("job:submitted", "user:reader", "127.0.0.1")
        assert row["body"]["role"] == "teacher"
        assert "rain" not in json.dumps(row)
        job = store.job(ID)
        assert job is not None
        assert json.loads(job["recipe"])["prompt"] == "Explain rain"


def test_row_of_an_accepted_job_tells_what_it_follows_and_its_times(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        accept(store, follows="j000000000009", start_at=AT + 60, deadline=AT + 600)
        body = store.story(ID)[0]["body"]
        assert (body["follows"], body["start_at"], body["deadline"]) == ("j000000000009", AT + 60, AT + 600)
        other = accept(store, 2)
        assert not {"follows", "start_at", "deadline"} & store.story(other)[0]["body"].keys()


def test_a_move_changes_state_columns_and_log_together(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        accept(store)
        go(store, "SUBMITTED", "QUEUED", hold=HoldReason.WAITING_FOR_SLOT, is_paused=True)
        job = store.job(ID)
        assert job is not None
        assert (job["state"], job["hold"], job["is_paused"]) == ("QUEUED", "waiting_for_slot", True)
        row = store.story(ID)[-1]
        assert row["body"] == {
            "from": "SUBMITTED", "to": "QUEUED", "reason": "test", "set": {"hold": "waiting_for_slot", "is_paused": 1},
        }  # fmt: skip


def test_a_move_from_another_state_changes_nothing(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        accept(store)
        before = store.last_seq()
        for job_id, code in ((ID, "stale_state"), ("j000000000009", "unknown_job")):
            with pytest.raises(StoreConflict) as caught, store.transaction():
                store.move_job(move("QUEUED", "LEASED", job_id), READER, AT)
            assert caught.value.code == code
        assert store.last_seq() == before


@pytest.mark.parametrize("source", list(JobState))
def test_the_store_refuses_every_move_outside_the_table(tmp_path: Path, source: JobState) -> None:
    with writer(tmp_path) as store:
        accept(store)
        _reach(store, source)
        before = store.last_seq()
        for target in set(JobState) - LEGAL_MOVES[source] - {source}:
            with pytest.raises(StoreConflict) as caught, store.transaction():
                store.move_job(MoveJob(ID, source, target, "job:moved"), READER, AT)
            assert caught.value.code == "illegal_move"
        assert store.last_seq() == before


def _reach(store: Any, state: JobState) -> None:
    """The shortest legal way from SUBMITTED."""
    ways = [["SUBMITTED"]]
    while ways[0][-1] != state:
        way = ways.pop(0)
        ways += [[*way, str(target)] for target in sorted(LEGAL_MOVES[JobState(way[-1])]) if target not in way]
    go(store, *ways[0])


def test_columns_that_nobody_may_move_are_refused(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        accept(store)
        for name in ("id", "ordinal", "user", "submitted_at", "state", "nonsense; DROP TABLE jobs"):
            with pytest.raises(ValueError, match="do not move"), store.transaction():
                store.move_job(move("SUBMITTED", "QUEUED", **{name: 1}), READER, AT)
        for name in ("state", "slot", "priority"):
            with pytest.raises(ValueError, match="need a move"), store.transaction():
                store.note_job(ID, **{name: 1})


def test_there_is_one_statement_that_updates_job_state(repo_root: Path) -> None:
    sources = [*(repo_root / "scheduler").rglob("*.py"), *(repo_root / "dashboard").rglob("*.py")]
    found = [
        path.name
        for path in sources
        for _ in re.finditer(r"UPDATE\s+jobs\s+SET\s+state", path.read_text(encoding="utf-8"), re.IGNORECASE)
    ]
    assert found == ["jobs.py"]


def _raw(tmp_path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(tmp_path / "greenroom.db", isolation_level=None)
    connection.execute("PRAGMA recursive_triggers=1")
    return connection


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE jobs SET state = 'LEASED'",
        "UPDATE jobs SET state = 'SUCCEEDED', slot = 1 WHERE id = 'j000000000001'",
        "INSERT OR REPLACE INTO jobs SELECT * FROM jobs",
        "INSERT INTO jobs (id, ordinal, user, team, role, role_version, priority, state, degrade, total_blocks,"
        " context_bytes, submitted_at, recipe) VALUES ('j2', 2, 'u', 't', 'r', 1, 1, 'SUBMITTED', 'ask', 1, 1, 1, '{}')",
        "DELETE FROM jobs",
        "UPDATE jobs SET id = 'j2'",
        "UPDATE jobs SET ordinal = 7",
    ],
)
def test_no_connection_changes_a_state_without_its_log_row(tmp_path: Path, statement: str) -> None:
    with writer(tmp_path) as store:
        accept(store)
        go(store, "SUBMITTED", "QUEUED")
        with store.transaction():
            store.record("queue:paused", "queue", {}, READER, AT)
    raw = _raw(tmp_path)
    before = raw.execute("SELECT * FROM jobs").fetchall()
    with pytest.raises(sqlite3.IntegrityError):
        raw.execute(statement)
    assert raw.execute("SELECT * FROM jobs").fetchall() == before
    raw.close()


def test_a_log_row_of_another_move_does_not_open_the_door(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        accept(store)
        go(store, "SUBMITTED", "QUEUED")  # the last row says SUBMITTED → QUEUED
    raw = _raw(tmp_path)
    with pytest.raises(sqlite3.IntegrityError, match="together with its audit row"):
        raw.execute("UPDATE jobs SET state = 'CANCELLED'")
    raw.close()


def test_facts_of_a_step_are_written_in_order_and_effects_are_left(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        accept(store)
        with store.transaction():
            seqs = store.apply(
                [move("SUBMITTED", "QUEUED"), DropContext(ID), Record("queue:paused", "queue", "refused", {"by": "test"})],
                READER, AT,
            )  # fmt: skip
        assert [store.audit_entry(seq)["action"] for seq in seqs] == ["job:queued", "queue:paused"]  # type: ignore[index]


def test_blocks_may_be_said_again_but_not_otherwise(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        accept(store)
        with store.transaction():
            assert store.insert_block(block(0))
            assert store.insert_block(block(1))
        with store.transaction():
            assert not store.insert_block(block(1, lease_id="another", seconds=9.0))
        for changed in ({"latents_sha256": "d" * 64}, {"frames_sha256": "d" * 64}, {"fragment_sha256": "d" * 64}):
            with pytest.raises(StoreConflict, match="Block 1") as caught, store.transaction():
                store.insert_block(block(1, **changed))
            assert caught.value.code == "block_differs"
        assert [(row["block"], row["seconds"], row["stage_ms"]) for row in store.blocks(ID)] == [
            (0, 0.5, {"dit": 300.0}), (1, 0.5, {"dit": 300.0}),
        ]  # fmt: skip
        assert [row["block"] for row in store.blocks(ID, from_block=1)] == [1]


def test_segments_may_be_said_again_but_not_otherwise(tmp_path: Path) -> None:
    segment = {"job_id": ID, "segment": 0, "path": "jobs/x/000.mp4", "sha256": "e" * 64, "frames": 96, "bytes": 9000}
    with writer(tmp_path) as store:
        accept(store)
        with store.transaction():
            assert store.insert_segment(segment)
            assert not store.insert_segment(segment)
        with pytest.raises(StoreConflict) as caught, store.transaction():
            store.insert_segment({**segment, "sha256": "f" * 64})
        assert caught.value.code == "segment_differs"
        assert store.segments(ID) == [segment]


def test_an_idempotency_key_names_its_first_job(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        with store.transaction():
            store.insert_job(new_job(1), READER, AT, idempotency_key="k", request_sha256="f" * 64)
        assert store.job_of_key("user:reader", "k") == {"job_id": ID, "request_sha256": "f" * 64}
        assert store.job_of_key("user:omar", "k") is None
        with pytest.raises(StoreConflict) as caught, store.transaction():
            store.insert_job(new_job(2), READER, AT, idempotency_key="k", request_sha256="f" * 64)
        assert caught.value.code == "duplicate_key"
        assert store.next_ordinal() == 2


def test_open_jobs_come_back_as_the_core_knew_them(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        accept(store, 1)
        accept(store, 2, user="omar", priority=90)
        accept(store, 3)
        go(store, "SUBMITTED", "QUEUED", "LEASED", job_id="j000000000002",
           slot=0, lease_id="l1", lease_until=AT + 60, leases=1, crashes=2)  # fmt: skip
        go(store, "SUBMITTED", "REJECTED", job_id="j000000000003")
    with writer(tmp_path) as store:
        first, second = store.load_open_jobs()
        assert (first.id, first.state, first.hold, first.is_paused) == (ID, JobState.SUBMITTED, None, False)
        assert (second.state, second.slot, second.lease_id, second.lease_until) == (JobState.LEASED, 0, "l1", AT + 60)
        assert (second.user, second.priority, second.leases, second.crashes) == ("omar", 90, 1, 2)


def test_every_field_of_the_core_job_is_restored() -> None:
    assert set(CORE_COLUMNS) == {field.name for field in dataclasses.fields(Job)}


def test_notes_are_overwritten_without_a_log_row(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        accept(store)
        before = store.last_seq()
        with store.transaction():
            store.note_job(ID, width=320, height=192, recipe={"prompt": "new"})
        job = store.job(ID)
        assert job is not None
        assert (job["width"], job["height"], job["recipe"]) == (320, 192, '{"prompt":"new"}')
        assert store.last_seq() == before
        with pytest.raises(StoreConflict), store.transaction():
            store.note_job("j000000000009", width=320)
