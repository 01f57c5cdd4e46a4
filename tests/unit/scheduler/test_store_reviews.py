"""Notes, verdicts and passwords in the store: each with its audit row, words only as keyed hashes in the log, who was first."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from scheduler.store import StoreConflict, StoreFailed
from scheduler.store.errors import BadQuery
from tests.unit.scheduler.store_rig import AT, READER, accept, go, writer
from tests.unit.scheduler.test_chaos_replay import HASH

PATH = ("SUBMITTED", "QUEUED", "LEASED", "RUNNING", "SUCCEEDED")
WORDS = "SECRET-WORDS about a face"


def test_note_keeps_its_words_out_of_the_log_and_loses_them_when_it_is_retracted(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        job = accept(store)
        with store.transaction():
            number = store.write_note(job, WORDS, READER, AT, video_s=1.5)
            store.change_note(number, "resolved", READER, AT + 1)
            store.change_note(number, "open", READER, AT + 2)
        (note,) = store.notes(job)
        assert (note["text"], note["video_s"], note["state"], note["author"]) == (WORDS, 1.5, "open", "user:reader")
        story = [dict(entry) for entry in store.story(f"job:{job}")]
        assert [row["action"] for row in story[-3:]] == ["note:written", "note:resolved", "note:reopened"]
        assert story[-3]["body"]["video_s"] == 1.5 and "hmac_sha256" in story[-3]["body"]["note"]
        assert "SECRET" not in json.dumps(story, default=str)
        with store.transaction():
            store.change_note(number, "retracted", READER, AT + 3)
        with pytest.raises(StoreConflict) as caught, store.transaction():
            store.change_note(number, "open", READER, AT + 4)
        assert caught.value.code == "note_retracted"
        assert [row["text"] for row in store.notes(job)] == [""]


def test_of_two_who_judge_at_once_the_second_is_told(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        job = accept(store)
        with store.transaction():
            assert store.keep_verdict(job, "approved", "", 0, READER, AT) == 1
        with pytest.raises(StoreConflict) as caught, store.transaction():
            store.keep_verdict(job, "rejected", "blurred", 0, READER, AT)
        assert (caught.value.code, "approved by reader" in caught.value.message) == ("judged_meanwhile", True)
        with store.transaction():
            assert store.keep_verdict(job, "rejected", WORDS, 1, READER, AT + 1) == 2
        found = store.verdict(job)
        assert found is not None and (found["verdict"], found["reason"], found["number"]) == ("rejected", WORDS, 2)
        entry = store.last_entry_of(f"job:{job}", "video:rejected")
        assert entry is not None and "SECRET" not in json.dumps(entry["body"])


def test_lists_are_filtered_by_verdict_and_exports_have_it(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        ids = [accept(store, number) for number in range(1, 5)]
        for job in ids[:3]:
            go(store, *PATH, job_id=job, finished_at=AT)
        with store.transaction():
            store.keep_verdict(ids[0], "approved", "", 0, READER, AT)
            store.keep_verdict(ids[1], "rejected", "no", 0, READER, AT)
        for verdict, expected in (("approved", ids[:1]), ("rejected", ids[1:2]), ("unjudged", ids[2:3])):
            page = store.jobs(verdict=verdict, user="reader")
            assert ([row["id"] for row in page.rows], page.total) == (expected, 1)
            assert [row["id"] for row in store.each_job(verdict=verdict)] == expected
        assert [row["verdict"] for row in store.jobs(sort="ordinal").rows] == ["approved", "rejected", None, None]
        assert [row["verdict"] for row in store.each_job(sort="ordinal")] == ["approved", "rejected", None, None]
        with pytest.raises(BadQuery) as caught:
            store.jobs(verdict="fine")
        assert "unjudged" in caught.value.hint


def test_password_is_a_hash_that_changes_once_at_a_time_and_ends_sessions(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        with store.transaction():
            store.put_user("ada", "user", "", READER, AT)
            store.put_password("ada", HASH, None, READER, AT)
        with pytest.raises(StoreConflict) as caught, store.transaction():
            store.put_password("ada", HASH, None, READER, AT + 1)
        assert caught.value.code == "password_changed"
        before = store.user("ada")
        with store.transaction():
            store.put_password("ada", HASH.replace("0", "1"), AT, READER, AT + 1)
        after = store.user("ada")
        assert before is not None and after is not None and after["session_version"] == before["session_version"] + 1
        with pytest.raises(StoreFailed), store.transaction():
            store.put_password("ada", "correct horse battery staple", AT + 1, READER, AT + 2)
        assert HASH.partition("$")[2] not in json.dumps([dict(row) for row in store.story("user:ada")], default=str)
        with store.transaction():
            assert store.remove_password("ada", READER, AT + 3) and not store.remove_password("ada", READER, AT + 3)
        assert store.password("ada") is None and store.password_holders() == {}


@pytest.mark.parametrize(
    "statement",
    ["UPDATE notes SET text = 'other'", "UPDATE notes SET state = 'resolved'", "DELETE FROM notes",
     "INSERT INTO notes (id, job_id, author, text, state, at) VALUES (9, 'j000000000001', 'x', 'x', 'open', 1)",
     "UPDATE verdicts SET verdict = 'approved', number = 2", "DELETE FROM verdicts",
     "INSERT INTO verdicts VALUES ('j000000000002', 'approved', 1, 'x', '', 1)",
     "UPDATE passwords SET changed_at = 1", "DELETE FROM passwords"],
)  # fmt: skip
def test_nobody_changes_reviews_or_passwords_behind_the_log(tmp_path: Path, statement: str) -> None:
    with writer(tmp_path) as store:
        job = accept(store)
        with store.transaction():
            store.put_user("ada", "user", "", READER, AT)
            store.put_password("ada", HASH, None, READER, AT)
            store.write_note(job, WORDS, READER, AT)
            store.keep_verdict(job, "rejected", "no", 0, READER, AT)
        accept(store, 2)
    connection = sqlite3.connect(tmp_path / "greenroom.db")
    with pytest.raises(sqlite3.IntegrityError, match=r"audit row|deleted"):
        connection.execute(statement)
    connection.close()
