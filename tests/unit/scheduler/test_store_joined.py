"""Sessions in the store: which wait for their video, in what order their parts are, one row each with its audit row."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from scheduler.store import Store, StoreConflict, StoreFailed
from scheduler.store.migrations import migrations
from tests.unit.scheduler.store_rig import AT, READER, accept, go, move, new_job, writer

PATH = ("SUBMITTED", "QUEUED", "LEASED", "RUNNING", "SUCCEEDED")
VIDEO: dict[str, Any] = {
    "path": "jobs/j000000000003/session.mp4", "sha256": "a" * 64, "bytes": 900, "frames": 36, "seconds": 1.44, "width": 128,
    "height": 96, "is_copied": True,
}  # fmt: skip


def part(store: Store, number: int, follows: str = "", ends: str = "SUCCEEDED") -> str:
    """A part of a session that ended (or "": still waits) `number` seconds after AT; its id."""
    job_id = accept(store, number, follows=follows)
    if ends == "REJECTED":
        go(store, "SUBMITTED", "REJECTED", job_id=job_id)
        return job_id
    path = {"": PATH[:2], "CANCELLED": (*PATH[:2], "CANCELLED")}.get(ends, (*PATH[:4], ends))
    go(store, *path, job_id=job_id, **({"finished_at": AT + number} if ends else {}))
    return job_id


def relay(store: Store, *ends: str, first: int = 1) -> list[str]:
    """A session whose parts ended so; their ids in order."""
    ids = [""]
    for number, end in enumerate(ends, start=first):
        ids.append(part(store, number, ids[-1], end))
    return ids[1:]


def keep(store: Store, ids: list[str]) -> None:
    places = [{"job": job_id, "start_s": 0.48 * place, "frames": 12} for place, job_id in enumerate(ids)]
    with store.transaction():
        store.keep_joined(ids[-1], ids[0], {**VIDEO, "parts": places}, READER, AT + 50, took_s=1.5)


def fail(store: Store, ids: list[str], at: float) -> None:
    with store.transaction():
        store.keep_unjoined(ids[-1], ids[0], "part_missing", "It is gone.", READER, at, took_s=0.1)


def test_video_of_a_session_is_kept_once_with_its_audit_row(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        ids = relay(store, "SUCCEEDED", "SUCCEEDED", "SUCCEEDED")
        assert store.joined(ids[-1]) is None
        keep(store, ids)
        row = store.joined(ids[-1])
        assert row is not None and (row["state"], row["tries"], row["first_job"], row["code"]) == ("joined", 1, ids[0], None)
        assert row["is_copied"] is True and [one["job"] for one in row["parts"]] == ids
        entry = store.last_entry_of(f"job:{ids[-1]}", "session:joined")
        assert entry is not None and entry["body"]["sha256"] == "a" * 64 and entry["body"]["parts"] == row["parts"]
        assert store.unjoined(AT + 100) == []
        for again in (lambda: keep(store, ids), lambda: fail(store, ids, AT + 60)):
            with pytest.raises(StoreConflict) as caught:
                again()
            assert caught.value.code == "already_joined"
        assert store.all_joined() == {ids[-1]: row}


def test_failure_is_tried_once_more_and_never_again(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        ids = relay(store, "SUCCEEDED", "SUCCEEDED")
        assert store.unjoined(AT) == [{"id": ids[-1], "tries": 0}]
        fail(store, ids, AT + 100)
        assert store.unjoined(AT + 99) == [], "it waits a little"
        assert store.unjoined(AT + 100, since=AT + 10_000) == [{"id": ids[-1], "tries": 1}], "however long ago it ended"
        fail(store, ids, AT + 200)
        assert store.unjoined(AT + 10_000) == []
        row = store.joined(ids[-1])
        assert row is not None and (row["state"], row["tries"], row["code"]) == ("unjoined", 2, "part_missing")
        assert row["parts"] == [] and row["is_copied"] is None
        with pytest.raises(StoreConflict):
            keep(store, ids)


def test_second_try_that_succeeds_leaves_no_word_of_the_first(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        ids = relay(store, "SUCCEEDED", "SUCCEEDED")
        fail(store, ids, AT)
        keep(store, ids)
        row = store.joined(ids[-1])
        assert row is not None and (row["state"], row["tries"], row["code"], row["message"]) == ("joined", 2, None, None)


@pytest.mark.parametrize(
    ("ends", "waits"),
    [
        (("SUCCEEDED", "SUCCEEDED"), True), (("SUCCEEDED", "SUCCEEDED", "REJECTED"), True), (("SUCCEEDED",), False),
        (("SUCCEEDED", "REJECTED"), False), (("SUCCEEDED", "SUCCEEDED", ""), False),
        (("SUCCEEDED", "SUCCEEDED", "FAILED"), False),
        (("SUCCEEDED", "SUCCEEDED", "CANCELLED"), False),
        (("SUCCEEDED", ""), False), (("FAILED", "CANCELLED"), False),
    ],
)  # fmt: skip
def test_only_a_session_whose_last_part_succeeded_waits_for_its_video(
    tmp_path: Path, ends: tuple[str, ...], waits: bool
) -> None:
    with writer(tmp_path) as store:
        relay(store, *ends)
        assert bool(store.unjoined(AT + 100)) is waits


def test_oldest_session_comes_first_and_failures_come_last(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        sessions = [relay(store, "SUCCEEDED", "SUCCEEDED", first=first) for first in (1, 3, 5)]
        fail(store, sessions[0], AT)
        assert [row["id"] for row in store.unjoined(AT + 100)] == [ids[-1] for ids in (sessions[1], sessions[2], sessions[0])]
        newest = [row["id"] for row in store.unjoined(AT - 1, since=AT + 5)]
        assert newest == [sessions[2][-1]], "what ended before was looked at"


def test_session_is_found_from_any_of_its_parts_in_order(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        ids = relay(store, "SUCCEEDED", "SUCCEEDED", "SUCCEEDED", "")
        refused = part(store, 9, ids[-1], "REJECTED")
        for job_id in ids:
            assert [row["id"] for row in store.session_of(job_id)] == ids
        assert [row["id"] for row in store.session_of(refused)] == [refused], "what was rejected is in no session"
        assert store.has_followers(ids[0]) and not store.has_followers(ids[-1]), "a rejected follower counts not"
        alone = part(store, 10)
        assert [row["id"] for row in store.session_of(alone)] == [alone]
        assert store.session_of("j999999999999") == []


def test_part_that_took_the_turn_of_a_cancelled_one_is_in_its_place(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        first = part(store, 1)
        gone = part(store, 2, first, "CANCELLED")
        other = part(store, 3, first)
        last = part(store, 4, other)
        for job_id in (first, other, last):
            assert [row["id"] for row in store.session_of(job_id)] == [first, other, last]
        assert [row["id"] for row in store.session_of(gone)] == [first, gone]
        assert [row["id"] for row in store.unjoined(AT + 100)] == [last]


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE joined SET sha256 = 'b'", "tried again"),
        ("UPDATE joined SET tries = 2", "tried again"),
        ("DELETE FROM joined", "never forgotten"),
        ("INSERT INTO joined (last_job, first_job, state, tries, at, took_s) "
         "VALUES ('j000000000004', 'j000000000003', 'joined', 1, 1, 1)", "audit row"),
    ],
)  # fmt: skip
def test_nobody_changes_a_video_behind_the_log(tmp_path: Path, statement: str, says: str) -> None:
    with writer(tmp_path) as store:
        keep(store, relay(store, "SUCCEEDED", "SUCCEEDED"))
        relay(store, "SUCCEEDED", "SUCCEEDED", first=3)
    connection = sqlite3.connect(tmp_path / "greenroom.db")
    with pytest.raises(sqlite3.IntegrityError, match=says):
        connection.execute(statement)
    connection.close()


def test_keeping_needs_an_open_transaction(tmp_path: Path) -> None:
    with writer(tmp_path) as store, pytest.raises(StoreFailed) as caught:
        store.keep_unjoined("j000000000002", "j000000000001", "killed", "", READER, AT, took_s=1.0)
    assert caught.value.code == "no_transaction"


def test_sessions_of_an_older_store_wait_for_their_videos(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        ids = relay(store, "SUCCEEDED", "SUCCEEDED")
    connection = sqlite3.connect(tmp_path / "greenroom.db", isolation_level=None)
    connection.executescript("DROP TABLE joined; DROP INDEX jobs_follows;")
    connection.execute("DELETE FROM _sqlite_migrations WHERE name = 'joined_sessions'")
    assert [one.name for one in migrations.pending(Database(connection, execute_plugins=False))] == ["joined_sessions"]
    connection.close()
    with writer(tmp_path) as store:
        assert store.unjoined(AT + 100) == [{"id": ids[-1], "tries": 0}]
        keep(store, ids)


def test_parts_that_are_accepted_in_one_transaction_are_a_session_at_once(tmp_path: Path) -> None:
    with writer(tmp_path) as store, store.transaction():
        for number, follows in ((1, ""), (2, "j000000000001")):
            store.insert_job(new_job(number, follows=follows), READER, AT)
            store.move_job(move("SUBMITTED", "QUEUED", f"j{number:012d}"), READER, AT)
        assert [row["id"] for row in store.session_of("j000000000002")] == ["j000000000001", "j000000000002"]
