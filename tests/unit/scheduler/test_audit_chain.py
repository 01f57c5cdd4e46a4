"""The log: what is hashed, who may write, what never enters it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.audit import Actor, is_tag, verify
from scheduler.audit.chain import FIELDS, chained_bytes, chained_bytes_sql
from scheduler.audit.entry import utc_text
from scheduler.audit.head import read_head
from scheduler.core.tags import Tag
from scheduler.store import StoreFailed, open_reader
from scheduler.store.opening import open_writer
from tests.unit.scheduler.store_rig import AT, READER, accept, writer


def test_the_hash_is_what_the_document_says(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        accept(store)
        first, second = store.audit_after(0)
    data = bytes.fromhex(first["hash"]) + (2).to_bytes(8, "big")
    for name in FIELDS:
        value = (
            second[name]
            if name != "body"
            else json.dumps(  # type: ignore[literal-required]
                second["body"], ensure_ascii=False, separators=(",", ":"), sort_keys=True
            )
        )
        encoded = str(value).encode()
        data += str(len(encoded)).encode() + b":" + encoded
    assert hashlib.sha256(data).hexdigest() == second["hash"]
    assert second["prev"] == first["hash"]
    assert first["prev"] == "00" * 32


@given(st.tuples(*[st.text(st.characters(exclude_categories=["Cs"]), max_size=8)] * len(FIELDS)))
def test_sql_and_python_chain_the_same_bytes(values: tuple[str, ...]) -> None:
    connection = sqlite3.connect(":memory:")
    connection.text_factory = bytes
    columns = ", ".join(f"? AS {name}" for name in FIELDS)
    found = connection.execute(f"SELECT {chained_bytes_sql()} FROM (SELECT {columns})", values).fetchone()[0]
    connection.close()
    assert found == chained_bytes(values)


@given(st.lists(st.text(max_size=5), min_size=len(FIELDS), max_size=len(FIELDS)), st.data())
def test_moving_text_between_neighbours_changes_the_chained_bytes(values: list[str], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(FIELDS) - 2))
    moved = list(values)
    moved[index], moved[index + 1] = values[index] + "x", values[index + 1]
    other = list(values)
    other[index + 1] = "x" + values[index + 1]
    assert chained_bytes(tuple(moved)) != chained_bytes(tuple(other))


@pytest.mark.parametrize("tag", list(Tag))
def test_every_tag_has_the_grammar(tag: Tag) -> None:
    assert is_tag(tag)


@pytest.mark.parametrize(
    "tag", ["queued", "job:", ":queued", "Job:queued", "job:que ued", "job:queued:twice", "job:42", ""]
)
def test_what_is_no_tag_is_not_written(tmp_path: Path, tag: str) -> None:
    with writer(tmp_path) as store:
        with pytest.raises(ValueError, match="audit tag"), store.transaction():
            store.record(tag, "queue", {}, READER, AT)
        with pytest.raises(ValueError, match="outcome"), store.transaction():
            store.record("queue:paused", "queue", {}, READER, AT, outcome="perhaps")
        with pytest.raises(ValueError, match="characters"), store.transaction():
            store.record("queue:paused", "queue", {"why": "x" * 40_000}, READER, AT)
        assert store.last_seq() == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'nobody'",
        "DELETE FROM audit WHERE seq = 2",
        "INSERT INTO audit SELECT seq + 5, at_utc, mono_ns, boot_id, actor, action, object, outcome, address, request_id,"
        " body, prev, hash FROM audit",
        "INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE seq = 2",
    ],
)
def test_triggers_hold_against_any_connection(tmp_path: Path, statement: str) -> None:
    with writer(tmp_path) as store:
        accept(store)
    for recursive in (0, 1):
        raw = sqlite3.connect(tmp_path / "greenroom.db", isolation_level=None)
        raw.execute(f"PRAGMA recursive_triggers={recursive}")
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute(statement)
        raw.close()
    assert verify(tmp_path).is_ok


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE audit", "DROP TRIGGER audit_is_linked", "ALTER TABLE audit RENAME TO old", "DROP INDEX jobs_state",
        "DELETE FROM audit", "UPDATE audit SET actor = 'nobody'", "PRAGMA writable_schema=1", "PRAGMA recursive_triggers=0",
        "PRAGMA synchronous=OFF", "PRAGMA journal_mode=DELETE", "CREATE TEMP TRIGGER t AFTER INSERT ON audit BEGIN SELECT 1; END",
        "ATTACH ':memory:' AS other", "DELETE FROM sqlite_master",
    ],
)  # fmt: skip
def test_the_writer_itself_may_not_touch_schema_and_log(tmp_path: Path, statement: str) -> None:
    with (
        writer(tmp_path) as store,
        pytest.raises(sqlite3.DatabaseError, match=r"not authorized|prohibited|may not be modified"),
    ):
        store._connection.execute(statement)


def test_personal_text_is_hashed_with_the_key_of_the_store(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        with writer(tmp_path / name) as store:
            with store.transaction():
                store.record("role:switched", "role:teacher", {"prompt": "Secret words", "deep": [{"context": {"a": "Secret"}}]},
                             READER, AT)  # fmt: skip
                store.record("role:switched", "role:teacher", {"prompt": "Secret words", "note": ""}, READER, AT)
            first, second = store.story("role:teacher")
            assert "Secret" not in json.dumps([first, second])
            assert first["body"]["prompt"] == second["body"]["prompt"]
            assert second["body"]["note"] == ""
            assert "hmac_sha256" in first["body"]["deep"][0]["context"]
            found.append(first["body"]["prompt"]["hmac_sha256"])
            assert not any("key" in fact for fact in store.facts())
    assert found[0] != found[1]
    assert hashlib.sha256(b"Secret words").hexdigest() not in found


def test_the_head_follows_the_commits_and_says_when_it_is_closed(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        store.head_interval_s = 3600.0
        accept(store)
        lagging = read_head(tmp_path)
        assert lagging is not None
        assert lagging.link.seq == 1
        store.head_interval_s = 0.0
        with store.transaction():
            store.set_fact("anything", 1, AT)  # any later transaction brings it up to date
        head = read_head(tmp_path)
        assert head is not None
        assert (head.link, head.is_closed) == (store._chain.last, False)
    closed = read_head(tmp_path)
    assert closed is not None
    assert closed.is_closed


def test_a_database_ahead_of_the_head_is_what_a_crash_leaves(tmp_path: Path) -> None:
    store = open_writer(tmp_path)
    old = (tmp_path / "audit.head").read_bytes()
    accept(store)
    accept(store, 2)
    store._connection.close()  # as a killed process leaves it: never closed
    (tmp_path / "audit.head").write_bytes(old)
    assert verify(tmp_path).is_ok
    with writer(tmp_path) as again:
        assert again.story("store")[-1]["body"]["rows_beyond_head"] == 2
    assert verify(tmp_path).is_ok


def test_a_lost_head_is_made_anew_and_recorded(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        accept(store)
    (tmp_path / "audit.head").write_bytes(b"")
    assert verify(tmp_path).exit_code == 21
    with writer(tmp_path) as store:
        actions = [row["action"] for row in store.audit_after(0)]
        assert actions == ["store:opened", "job:submitted", "audit:head-rebuilt", "store:opened"]
        assert store.recent_errors()[0]["action"] == "audit:head-rebuilt"
    assert verify(tmp_path).is_ok


def test_nothing_is_written_on_top_of_a_broken_log(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        accept(store)
    raw = sqlite3.connect(tmp_path / "greenroom.db", isolation_level=None)
    raw.execute("DROP TRIGGER audit_is_never_updated")
    raw.execute("UPDATE audit SET actor = 'user:omar' WHERE seq = 2")
    with pytest.raises(StoreFailed) as caught:
        open_writer(tmp_path)
    assert caught.value.code == "store_damaged"
    from scheduler.audit.guards import TRIGGERS

    raw.execute(TRIGGERS["audit_is_never_updated"])
    raw.close()
    with pytest.raises(StoreFailed) as caught:
        open_writer(tmp_path)
    assert caught.value.code == "audit_damaged"
    assert caught.value.data["verdict"]["broken_seq"] == 2
    assert open_reader(tmp_path).last_seq() == 2


def test_times_sort_as_text() -> None:
    times = [0.0, 0.5, 1.0, AT, AT + 1e-6, AT + 1e9]
    assert [utc_text(time) for time in times] == sorted(utc_text(time) for time in times)
    assert utc_text(0.5) == "1970-01-01T00:00:00.500000Z"


def test_an_actor_with_foreign_characters_is_kept_as_it_is(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        with store.transaction():
            store.record("queue:paused", "queue", {"why": "午休\x00\n"}, Actor("user:李", "::1", "r\x001"), AT)
        row = store.story("queue")[0]
        assert (row["actor"], row["request_id"], row["body"]) == ("user:李", "r\x001", {"why": "午休\x00\n"})
    assert verify(tmp_path).is_ok
