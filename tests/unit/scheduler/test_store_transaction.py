"""The writer's transaction: all or nothing, immediate, the only way to write."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from scheduler import audit
from scheduler.audit.head import read_head
from scheduler.errors import SchedulerError
from scheduler.store import Store, StoreConflict, StoreFailed, open_reader
from scheduler.store.connection import assert_one_sqlite
from scheduler.store.opening import open_writer
from scheduler.store.transaction import CHECKPOINT_COMMITS
from tests.unit.scheduler.store_rig import AT, READER, accept, block, go, move, new_job, role, writer


def test_every_write_outside_a_transaction_is_refused(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        accept(store)
        writes = (
            lambda: store.move_job(move("SUBMITTED", "QUEUED"), READER, AT),
            lambda: store.record("queue:paused", "queue", {}, READER, AT),
            lambda: store.insert_job(new_job(2), READER, AT),
            lambda: store.insert_block(block(0)),
            lambda: store.note_job("j000000000001", width=320),
            lambda: store.put_role(role(), READER, AT),
            lambda: store.put_user("reader", "planner", "education", READER, AT),
            lambda: store.set_fact("queue_paused", True, AT),
            lambda: store.insert_sample(AT, "cpu", {}),
            lambda: store.thin_samples(AT),
        )
        before = store.last_seq()
        for write in writes:
            with pytest.raises(StoreFailed) as caught:
                write()
            assert caught.value.code == "no_transaction"
        assert store.last_seq() == before


def test_an_exception_rolls_everything_back_and_the_chain_goes_on(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        before = store.last_seq()
        with pytest.raises(KeyError), store.transaction():
            store.insert_job(new_job(), READER, AT)
            raise KeyError("half way")
        assert store.job("j000000000001") is None
        assert store.last_seq() == before
        accept(store)
        assert store.last_seq() == before + 1


def test_transactions_do_not_nest(tmp_path: Path) -> None:
    with writer(tmp_path) as store, store.transaction(), pytest.raises(AssertionError), store.transaction():
        pass


def test_no_transaction_of_the_writer_is_ever_deferred(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        seen: list[str] = []
        store._connection.set_trace_callback(seen.append)
        accept(store)
        go(store, "SUBMITTED", "QUEUED", "LEASED", "RUNNING")
        with store.transaction():
            store.insert_block(block(0))
            store.put_role(role(), READER, AT)
        begins = [statement for statement in seen if statement.upper().startswith(("BEGIN", "SAVEPOINT"))]
        assert begins == ["BEGIN IMMEDIATE"] * 3


def test_migrations_run_in_one_immediate_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    connect = sqlite3.connect

    def traced(*args: object, **options: object) -> sqlite3.Connection:
        connection = connect(*args, **options)  # type: ignore[call-overload]
        connection.set_trace_callback(seen.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)
    open_writer(tmp_path).close()
    begins = [statement for statement in seen if statement.startswith("BEGIN")]
    assert begins == ["BEGIN IMMEDIATE", "BEGIN IMMEDIATE"]  # migrations, then the row store:opened


def test_the_writer_is_durable_and_the_readers_cannot_write(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        pragmas = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "recursive_triggers": 1}
        for name, value in pragmas.items():
            assert store._connection.execute(f"PRAGMA {name}").fetchone()[0] == value
        reader = open_reader(tmp_path)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader._connected().execute("DELETE FROM facts")
        reader.close()


def test_the_opening_records_the_versions_it_runs_on(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        (opened,) = store.story("store")
        assert opened["action"] == "store:opened"
        assert opened["body"]["sqlite_version"] == sqlite3.sqlite_version
        assert opened["body"]["has_wal_reset_fault"] == (sqlite3.sqlite_version_info < (3, 51, 3))


def test_a_second_sqlite_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite_utils.utils

    assert_one_sqlite()
    monkeypatch.setattr(sqlite_utils.utils, "sqlite3", object(), raising=False)
    with pytest.raises(StoreFailed) as caught:
        assert_one_sqlite()
    assert caught.value.code == "two_sqlites"


def test_reading_before_there_is_a_store_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed) as caught:
        open_reader(tmp_path)
    assert (caught.value.status, caught.value.code) == (404, "no_store")
    assert "serve" in caught.value.hint


@pytest.mark.parametrize(
    "opened", [open_reader, open_writer, audit.verify, lambda data_dir: audit.export(data_dir, data_dir / "x")]
)
def test_pipe_device_or_folder_in_place_of_the_database_is_named(opened: Callable[[Path], object], tmp_path: Path) -> None:
    place = tmp_path / "greenroom.db"
    for make in (os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")):
        make(place)
        with pytest.raises(SchedulerError) as caught:
            opened(tmp_path)
        assert caught.value.code == "store_no_file" and f"{place} is no regular file" in caught.value.message
        place.rmdir() if place.is_dir() else place.unlink()


def test_a_full_database_is_disk_full_and_changes_nothing(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        accept(store)
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count={pages}")
        before = (store.last_seq(), store._chain.last)
        with pytest.raises(StoreFailed) as caught, store.transaction():
            store.move_job(move("SUBMITTED", "QUEUED"), READER, AT)
            for number in range(2, 200):
                store.insert_job(new_job(number, recipe={"prompt": "x" * 4000}), READER, AT)
        assert (caught.value.status, caught.value.code) == (507, "disk_full")
        assert (store.last_seq(), store._chain.last) == before
        job = store.job("j000000000001")
        assert job is not None
        assert job["state"] == "SUBMITTED"
        store._connection.execute("PRAGMA max_page_count=1000000")
        go(store, "SUBMITTED", "QUEUED")


def test_a_busy_database_is_said_to_be_busy(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        store._connection.execute("PRAGMA busy_timeout=20")
        other = sqlite3.connect(tmp_path / "greenroom.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreFailed) as caught:
            accept(store)
        assert (caught.value.status, caught.value.code) == (503, "store_busy")
        assert open_reader(tmp_path).last_seq() == 1
        other.close()
        accept(store)


def test_a_file_that_is_no_database_is_said_to_be_damaged(tmp_path: Path) -> None:
    (tmp_path / "greenroom.db").write_bytes(b"this was a database once " * 100)
    with pytest.raises(StoreFailed) as caught:
        open_writer(tmp_path)
    assert caught.value.code == "store_damaged"


def test_a_failing_head_file_does_not_undo_a_commit(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        store.head_interval_s = 0.0
        (tmp_path / "audit.head.part").mkdir()
        accept(store)
        assert store.job("j000000000001") is not None
        assert store.head_problem is not None
        (tmp_path / "audit.head.part").rmdir()
        go(store, "SUBMITTED", "QUEUED")
        assert store.head_problem is None


def test_errors_carry_the_story_of_the_job(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        accept(store)
        go(store, "SUBMITTED", "QUEUED")
        with pytest.raises(StoreConflict) as caught:
            go(store, "SUBMITTED", "QUEUED")
        assert caught.value.code == "stale_state"
        assert [line.split()[2] for line in caught.value.story] == ["job:submitted", "job:queued"]
        assert "SUBMITTED → QUEUED by user:reader" in caught.value.story[1]


def checkpoints(store: Store) -> list[str]:
    """A list that gets an entry with each checkpoint that the store asks for."""
    seen: list[str] = []
    store._connection.set_trace_callback(lambda text: seen.append(text) if "wal_checkpoint" in text else None)
    return seen


def test_a_store_that_nobody_tends_takes_its_wal_back_by_itself(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        seen = checkpoints(store)
        for number in range(CHECKPOINT_COMMITS + 1):
            accept(store, number + 1)
        assert len(seen) == 1


def test_a_tended_store_never_makes_a_commit_wait_for_a_checkpoint(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        store.is_tended, store.head_interval_s = True, 0.0
        seen, head = checkpoints(store), read_head(tmp_path)
        for number in range(2 * CHECKPOINT_COMMITS):
            accept(store, number + 1)
        assert seen == []
        assert read_head(tmp_path) == head
        store.tend()
        store.tend()
        assert len(seen) == 1
        now = read_head(tmp_path)
        assert now is not None
        assert now.link == store._chain.last


def test_a_refused_checkpoint_does_not_undo_a_commit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with writer(tmp_path) as store:
        store._commits = CHECKPOINT_COMMITS
        store._connection.set_authorizer(
            lambda action, name, *_: sqlite3.SQLITE_DENY if name == "wal_checkpoint" else sqlite3.SQLITE_OK
        )
        accept(store)
        assert "the WAL was not taken into the database" in caplog.text
        assert open_reader(tmp_path).job("j000000000001") is not None
