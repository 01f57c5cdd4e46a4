"""Named reads: pages, the queue, the feed, statistics; through indexes where a table grows."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import pytest

from scheduler.core.policy import Policy
from scheduler.store import Reader, Store, open_reader
from scheduler.store.errors import BadQuery
from scheduler.store.opening import open_writer
from scheduler.store.sql import audit as audit_sql
from scheduler.store.sql import jobs as job_sql
from tests.unit.scheduler.store_rig import AT, READER, accept, block, go, role, writer


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """Thirty jobs of three users in several states."""
    store = open_writer(tmp_path)
    with store.transaction():
        store.put_role(role("teacher"), READER, AT)
        store.put_role(role("student"), READER, AT)
    for number in range(1, 31):
        user = ("reader", "omar", "li_na")[number % 3]
        accept(store, number, user=user, role=("teacher", "student")[number % 2], priority=number % 7)
        job_id = f"j{number:012d}"
        if number <= 20:
            go(store, "SUBMITTED", "QUEUED", job_id=job_id)
        if number <= 4:
            go(store, "QUEUED", "LEASED", "RUNNING", job_id=job_id, slot=4 - number)
        if number == 4:
            go(
                store,
                "RUNNING",
                "FAILED",
                job_id=job_id,
                slot=None,
                error_code="bad_media",
                error_message="Nothing to hear.",
            )
    yield store
    store.close()


def test_pages_of_jobs_are_filtered_sorted_and_counted(store: Store) -> None:
    first = store.jobs(per_page=7)
    assert (first.total, first.pages, len(first.rows)) == (30, 5, 7)
    assert [row["ordinal"] for row in first.rows] == list(range(30, 23, -1))
    assert [row["ordinal"] for row in store.jobs(per_page=7, page=5).rows] == [2, 1]
    assert store.jobs(page=9).rows == []
    assert store.jobs(user="omar").total == 10
    assert {row["role"] for row in store.jobs(role="student").rows} == {"student"}
    assert store.jobs(state="running").total == 3
    assert store.jobs(state=["QUEUED", "FAILED"]).total == 17
    assert store.jobs(state="open").total == 29
    assert store.jobs(state="final").total == 1
    assert store.jobs(user="omar", role="teacher", state="open").total == 4
    by_priority = [row["priority"] for row in store.jobs(sort="-priority", per_page=30).rows]
    assert by_priority == sorted(by_priority, reverse=True)


def test_text_search_finds_words_and_takes_no_wildcards(store: Store) -> None:
    assert store.jobs(text="OMA").total == 10
    assert store.jobs(text="000000000007").total == 1
    assert store.jobs(text="li_na").total == 10
    assert store.jobs(text="liXna").total == 0
    assert store.jobs(text="%").total == 0
    assert store.jobs(text="'; DROP TABLE jobs; --").total == 0


@pytest.mark.parametrize(
    ("arguments", "field"),
    [({"sort": "recipe"}, "sort"), ({"state": "sleeping"}, "state"), ({"page": 0}, "page"), ({"per_page": 0}, "per_page"),
     ({"per_page": 10_000}, "per_page"), ({"page": 10**30}, "page")],
)  # fmt: skip
def test_an_impossible_page_names_the_argument(store: Store, arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(BadQuery) as caught:
        store.jobs(**arguments)
    assert (caught.value.status, caught.value.field) == (422, field)


def test_the_queue_is_in_the_order_of_the_core(store: Store, tmp_path: Path) -> None:
    with store.transaction():
        store.set_fact("policy", Policy(ageing_per_s=0.0).to_mapping(), AT)
    reader = open_reader(tmp_path)
    order = reader.queued(AT)
    assert len(order) == 16
    keys = [(-job.priority, job.ordinal) for job in order]
    assert keys == sorted(keys)
    assert reader.places(AT)[order[2].id] == (3, 16)
    reader.close()


def test_a_policy_of_another_version_is_read_as_far_as_it_is_known(store: Store, tmp_path: Path) -> None:
    with store.transaction():
        store.set_fact("policy", Policy(ageing_per_s=0.0).to_mapping() | {"fair_share_credit_s": 0.0}, AT)
    reader = open_reader(tmp_path)
    assert reader.policy() == Policy(ageing_per_s=0.0)
    reader.close()


def test_what_runs_is_shown_by_slot(store: Store) -> None:
    assert [(row["slot"], row["ordinal"]) for row in store.running()] == [(1, 3), (2, 2), (3, 1)]
    assert store.active_roles() == ["student", "teacher"]
    counts = store.state_counts()
    assert (counts["QUEUED"], counts["RUNNING"], counts["FAILED"], counts["SUCCEEDED"]) == (16, 3, 1, 0)


def test_the_log_is_filtered_and_paged_by_seq(store: Store) -> None:
    newest = store.audit(limit=5)
    assert [row["seq"] for row in newest] == list(range(store.last_seq(), store.last_seq() - 5, -1))
    following = store.audit(limit=5, before_seq=newest[-1]["seq"])
    assert following[0]["seq"] == newest[-1]["seq"] - 1
    assert [row["seq"] for row in store.audit(limit=2, after_seq=3)] == [4, 5]
    assert {row["action"] for row in store.audit(action="job:failed")} == {"job:failed"}
    assert len(store.audit(action="role:*")) == 2
    assert len(store.audit(object="job:j000000000004")) == 5
    assert {row["actor"] for row in store.audit(actor="user:reader", limit=500)} == {"user:reader"}
    assert store.audit(actor="user:omar") == []
    assert len(store.audit(text="nothing to HEAR")) == 1
    assert store.audit(since=AT + 1, until=AT + 2) == []
    assert len(store.audit(since=AT, until=AT + 1, limit=500)) == store.last_seq() - 1
    assert store.audit(outcome="refused") == []


def test_the_feed_gets_every_row_once(store: Store) -> None:
    seen: list[int] = []
    while rows := store.audit_after(seen[-1] if seen else 0, limit=9):
        seen += [row["seq"] for row in rows]
    assert seen == list(range(1, store.last_seq() + 1))


def test_errors_come_with_their_job(store: Store) -> None:
    with store.transaction():
        store.record("job:failed", "job:j000000000004", {"code": "bad_media"}, READER, AT, outcome="failure")
        for number in range(6):
            store.record("worker:lost", f"slot:{number}", {"cause": "killed"}, READER, AT, outcome="failure")
    assert len(store.audit(outcome="failure", limit=3)) == 3
    assert len(store.audit(outcome="failure", object="slot:2")) == 1
    assert {row["outcome"] for row in store.audit(outcome="success", limit=500)} == {"success"}
    newest = store.recent_errors()
    assert [row["object"] for row in newest] == [f"slot:{number}" for number in (5, 4, 3, 2, 1)]
    assert newest[0]["body"] == {"cause": "killed"}
    of_job = store.recent_errors(limit=7)[-1]
    assert (of_job["error_code"], of_job["error_message"], of_job["role"]) == (
        "bad_media",
        "Nothing to hear.",
        "teacher",
    )


def test_role_statistics_add_up_jobs_and_blocks(store: Store) -> None:
    with store.transaction():
        for job, number in ((2, 0), (2, 1), (4, 0), (1, 0)):
            store.insert_block(block(number, f"j{job:012d}", seconds=0.25))
        store.insert_block(block(0, "j000000000002", seconds=0.25))  # said again: not counted again
        switch = store.record("role:switched", "role:teacher", {"tier": "gpu"}, READER, AT)
    stats = store.role_stats("teacher")
    assert (stats["jobs"], stats["blocks"], stats["block_seconds"], stats["frames"]) == (15, 3, 0.75, 36)
    assert stats["by_state"]["FAILED"] == 1
    assert stats["last_switch"]["seq"] == switch
    empty = store.role_stats("nobody")
    assert (empty["jobs"], empty["blocks"], empty["last_switch"]) == (0, 0, None)


def _plan(store: Store, statement: str) -> str:
    params = (
        dict.fromkeys(re.findall(r":([a-z_]+)", statement))
        if ":" in statement
        else [None] * statement.count("?")
    )
    if "job:" in statement and "?" in statement:
        params = [None] * statement.count("?")
    rows = store._connection.execute(f"EXPLAIN QUERY PLAN {statement}", params).fetchall()
    return " | ".join(row["detail"] for row in rows)


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (job_sql.SELECT_BY_STATES, "jobs_state"),
        (job_sql.SELECT_STATE_COUNTS, "COVERING INDEX"),
        (job_sql.SELECT_ROLE_STATE_COUNTS, "jobs_role_state"),
        (job_sql.count_jobs(job_sql.where_jobs(False, False, False, True)), "COVERING INDEX jobs_search"),
        (job_sql.page_of_jobs(job_sql.where_jobs(True, False, False, False), "ordinal DESC"), "jobs_user"),
        (job_sql.page_of_jobs(job_sql.where_jobs(False, True, False, False), "ordinal DESC"), "jobs_role"),
        (audit_sql.SELECT_STORY, "audit_object"),
        (audit_sql.SELECT_LAST_OF, "audit_object"),
        (audit_sql.SELECT_RECENT_ERRORS, "audit_trouble"),
        (audit_sql.page_of_entries(["actor"], is_ascending=False), "audit_actor"),
        (audit_sql.page_of_entries(["group"], is_ascending=False), "audit_actor_group"),
        (job_sql.SELECT_RUNS_OF_PREVIEW, "jobs_preview"), (job_sql.SELECT_WAITING_FOR_PREVIEW, "jobs_preview"),
        (audit_sql.page_of_entries(["trouble"], is_ascending=False), "audit_trouble"),
        (audit_sql.page_of_entries(["since", "until"], is_ascending=False), "audit_at"),
        (audit_sql.SELECT_AFTER, "INTEGER PRIMARY KEY"),
    ],
)
def test_reads_of_growing_tables_use_an_index(store: Store, statement: str, index: str) -> None:
    assert index in _plan(store, statement)


def test_readers_see_commits_and_nothing_of_an_open_transaction(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        accept(store)
        reader = open_reader(tmp_path)
        with store.transaction():
            store.record("queue:paused", "queue", {}, READER, AT)
            assert reader.last_seq() == 2
            assert store.last_seq() == 3
        assert reader.last_seq() == 3
        reader.close()


def test_a_snapshot_stays_at_its_moment(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        accept(store)
        reader = open_reader(tmp_path)
        with reader.snapshot() as seq:
            accept(store, 2)
            assert reader.jobs().total == 1
            assert reader.last_seq() == seq
        assert reader.jobs().total == 2
        reader.close()


def test_every_thread_has_a_connection_of_its_own(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        accept(store)
    reader: Reader = open_reader(tmp_path)
    found: list[object] = []

    def read() -> None:
        assert reader.job("j000000000001") is not None
        found.append(reader._connected())
        reader.close()

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(connection) for connection in [*found, reader._connected()]}) == 5
    reader.close()


def test_a_reader_works_when_nobody_writes(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        accept(store)
    assert not (tmp_path / "greenroom.db-wal").exists()
    reader = open_reader(tmp_path)
    assert reader.jobs().total == 1
    reader.close()
