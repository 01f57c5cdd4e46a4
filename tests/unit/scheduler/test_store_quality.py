"""Scores in the store: one row per job with its audit row, tried twice at most, whose turn it is."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scheduler.cli.app import app
from scheduler.store import Store, StoreConflict, StoreFailed
from tests.unit.scheduler.store_rig import AT, READER, accept, go, writer

PATH = ("SUBMITTED", "QUEUED", "LEASED", "RUNNING", "SUCCEEDED")


def finished(store: Store, number: int, role: str = "teacher") -> str:
    """A job whose video was finished `number` seconds after AT."""
    job_id = accept(store, number, role=role, recipe={"prompt": "Explain rain", "portrait_sha256": "1" * 64, "settings": {}})
    go(store, *PATH, job_id=job_id, finished_at=AT + number, video_path=f"jobs/{job_id}/video.mp4")
    return job_id


def score(store: Store, job_id: str, blurred: float = 0.01) -> None:
    with store.transaction():
        store.keep_scores(job_id, {"seconds": 2.0, "blurred_ratio": blurred}, READER, AT + 50, took_s=1.0, has_portrait=True)


def fail(store: Store, job_id: str, at: float) -> None:
    with store.transaction():
        store.keep_unmeasured(job_id, "timed_out", "Too long.", READER, at, took_s=9.0, has_portrait=False)


def test_scores_are_kept_with_their_audit_row(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        job = finished(store, 1)
        assert store.quality(job) is None
        score(store, job)
        row = store.quality(job)
        assert row is not None and (row["state"], row["blurred_ratio"], row["flicker"]) == ("measured", 0.01, None)
        entry = store.last_entry_of(f"job:{job}", "quality:measured")
        assert entry is not None and entry["body"]["blurred_ratio"] == 0.01 and "flicker" not in entry["body"]
        with pytest.raises(StoreConflict) as caught:
            fail(store, job, AT + 60)
        assert caught.value.code == "already_measured"


def test_failure_is_tried_once_more_and_never_again(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        job = finished(store, 1)
        assert [row["tries"] for row in store.unmeasured(9, AT + 100)] == [0]
        fail(store, job, AT + 100)
        assert store.unmeasured(9, AT + 99) == [], "it waits a little"
        assert [row["tries"] for row in store.unmeasured(9, AT + 100)] == [1]
        fail(store, job, AT + 200)
        assert store.unmeasured(9, AT + 10_000) == []
        row = store.quality(job)
        assert row is not None and (row["state"], row["tries"], row["code"]) == ("failed", 2, "timed_out")


def test_newest_finished_video_comes_first_and_old_ones_are_let_be(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        ids = [finished(store, number) for number in (1, 2, 3, 4)]
        fail(store, ids[3], AT)
        assert [row["id"] for row in store.unmeasured(3, AT + 100, 9)] == [ids[2], ids[1], ids[3]]
        score(store, ids[2])
        (row,) = store.unmeasured(3, AT + 100)
        assert (row["id"], row["portrait_sha256"]) == (ids[1], "1" * 64)


def test_role_history_has_the_measured_videos_of_the_span(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        ids = [finished(store, number) for number in (1, 2, 3)]
        other = finished(store, 4, role="student")
        for job in (ids[0], ids[2], other):
            score(store, job)
        fail(store, ids[1], AT)
        assert [row["job_id"] for row in store.role_quality("teacher", AT, AT + 9)] == [ids[0], ids[2]]
        assert [row["job_id"] for row in store.role_quality("teacher", AT + 2, AT + 9)] == [ids[2]]


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE quality SET blurred_ratio = 0", "tried again"),
        ("DELETE FROM quality", "never deleted"),
        ("INSERT INTO quality (job_id, state, tries, at, took_s, has_portrait) VALUES ('j000000000002', 'measured', 1, 1, 1, 1)",
         "audit row"),
    ],
)  # fmt: skip
def test_nobody_changes_scores_behind_the_log(tmp_path: Path, statement: str, says: str) -> None:
    with writer(tmp_path) as store:
        score(store, finished(store, 1))
        finished(store, 2)
    connection = sqlite3.connect(tmp_path / "greenroom.db")
    with pytest.raises(sqlite3.IntegrityError, match=says):
        connection.execute(statement)
    connection.close()


def test_scores_need_an_open_transaction(tmp_path: Path) -> None:
    with writer(tmp_path) as store, pytest.raises(StoreFailed) as caught:
        store.keep_scores(finished(store, 1), {}, READER, AT, took_s=1.0, has_portrait=True)
    assert caught.value.code == "no_transaction"


def test_command_line_shows_the_scores_of_a_job(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        job, other = finished(store, 1), finished(store, 2)
        score(store, job)
    words = ["--data", str(tmp_path)]
    assert "blurred_ratio: 0.01" in CliRunner().invoke(app, ["jobs", job, *words]).output
    assert json.loads(CliRunner().invoke(app, ["jobs", job, *words, "--json"]).output)["quality"]["state"] == "measured"
    assert "quality" not in CliRunner().invoke(app, ["jobs", other, *words]).output
