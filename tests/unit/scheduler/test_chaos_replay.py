"""The tables told again from the log: equal for a sound store, and every way of not being equal is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scheduler.chaos.replay import Replay
from scheduler.chaos.review_replay import kept_reviews
from scheduler.core.actions import MoveJob
from scheduler.core.job import JobState
from scheduler.store import Store
from tests.unit.scheduler.store_rig import READER as ACTOR
from tests.unit.scheduler.store_rig import new_job, writer

HASH = f"scrypt:32768:8:1${'a' * 16}${'0' * 128}"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An open store."""
    with writer(tmp_path) as store:
        yield store


def move(source: JobState, target: JobState, tag: str, body: dict[str, Any] | None = None, **fields: Any) -> MoveJob:
    return MoveJob("j1", source, target, tag, fields, body or {})


def fill(store: Store) -> None:
    S = JobState
    with store.transaction():
        store.insert_job(new_job(1, id="j1"), ACTOR, 1.0)
        store.move_job(move(S.SUBMITTED, S.QUEUED, "job:queued", hold="waiting_for_slot"), ACTOR, 1.0)
        store.move_job(move(S.QUEUED, S.LEASED, "job:leased", slot=0, lease_id="l", hold=None), ACTOR, 2.0)
        store.move_job(move(S.LEASED, S.RUNNING, "job:started", {"resume": "fresh"}), ACTOR, 2.0)
        store.move_job(move(S.RUNNING, S.RUNNING, "block:finished", {"block": 0}, blocks_done=1), ACTOR, 3.0)


def told(store: Store) -> Replay:
    replay = Replay()
    replay.feed(store.audit_after(0))
    return replay


def test_log_tells_the_tables_again(store: Store) -> None:
    fill(store)
    row = store.job("j1")
    assert row is not None
    replay = told(store)
    assert replay.differences({"j1": row}, {"j1": [0]}, {}, {}, kept_reviews(store)) == []
    assert replay.resumes == {"fresh": 1} and not replay.continuous


def test_every_difference_between_log_and_tables_is_named(store: Store) -> None:
    fill(store)
    row = store.job("j1")
    assert row is not None
    assert "state" in told(store).differences({"j1": {**row, "state": "SUCCEEDED"}}, {"j1": [0]}, {}, {}, kept_reviews(store))[0]
    further = {"j1": {**row, "blocks_done": 2}}
    assert "blocks_done" in told(store).differences(further, {"j1": [0]}, {}, {}, kept_reviews(store))[0]
    assert "log only" in told(store).differences({}, {"j1": [0]}, {}, {}, kept_reviews(store))[0]
    assert "table only" in told(store).differences({"j1": row, "j2": row}, {"j1": [0]}, {}, {}, kept_reviews(store))[0]
    assert "blocks" in told(store).differences({"j1": row}, {"j1": [0, 1]}, {}, {}, kept_reviews(store))[0]


def test_block_that_was_finished_twice_is_seen(store: Store) -> None:
    fill(store)
    with store.transaction():
        store.move_job(move(JobState.RUNNING, JobState.RUNNING, "block:finished", {"block": 0}), ACTOR, 4.0)
    row = store.job("j1")
    assert row is not None
    assert "[0, 0]" in told(store).differences({"j1": row}, {"j1": [0]}, {}, {}, kept_reviews(store))[0]


def test_scores_are_told_by_the_log_and_missing_ones_are_named(store: Store) -> None:
    fill(store)
    with store.transaction():
        store.keep_unmeasured("j1", "killed", "It was ended.", ACTOR, 5.0, took_s=0.5, has_portrait=True)
        store.keep_scores("j1", {"seconds": 2.0, "blurred_ratio": 0.01}, ACTOR, 6.0, took_s=1.5, has_portrait=False)
    row, scores = store.job("j1"), store.all_quality()
    assert row is not None
    assert told(store).differences({"j1": row}, {"j1": [0]}, scores, {}, kept_reviews(store)) == []
    assert "scores" in told(store).differences({"j1": row}, {"j1": [0]}, {}, {}, kept_reviews(store))[0]
    changed = {"j1": {**scores["j1"], "blurred_ratio": 0.5}}
    assert "0.5" in told(store).differences({"j1": row}, {"j1": [0]}, changed, {}, kept_reviews(store))[0]


def test_sessions_videos_are_told_by_the_log_and_missing_and_forged_ones_are_named(store: Store) -> None:
    fill(store)
    video = {"path": "jobs/j1/session.mp4", "sha256": "a" * 64, "bytes": 9, "frames": 24, "seconds": 0.96, "width": 64,
             "height": 48, "is_copied": False, "parts": [{"job": "j1", "start_s": 0.0, "frames": 12}]}  # fmt: skip
    row, kept = store.job("j1"), kept_reviews(store)
    assert row is not None
    with store.transaction():
        store.keep_unjoined("j1", "j1", "killed", "It was ended.", ACTOR, 5.0, took_s=0.5)
    assert told(store).differences({"j1": row}, {"j1": [0]}, {}, store.all_joined(), kept) == []
    with store.transaction():
        store.keep_joined("j1", "j1", video, ACTOR, 6.0, took_s=1.5)
    joined = store.all_joined()
    assert told(store).differences({"j1": row}, {"j1": [0]}, {}, joined, kept) == []
    assert "session" in told(store).differences({"j1": row}, {"j1": [0]}, {}, {}, kept)[0]
    forged = {"j1": {**joined["j1"], "sha256": "b" * 64}}
    (found,) = told(store).differences({"j1": row}, {"j1": [0]}, {}, forged, kept)
    assert "b" * 64 in found and "a" * 64 in found


def test_notes_verdicts_and_passwords_are_told_by_the_log_and_forged_ones_are_named(store: Store) -> None:
    fill(store)
    with store.transaction():
        store.write_note("j1", "The mouth is late", ACTOR, 4.0, video_s=0.4)
        store.write_note("j1", "It is", ACTOR, 5.0, answers=1)
        store.change_note(1, "resolved", ACTOR, 6.0)
        store.change_note(2, "retracted", ACTOR, 7.0)
        store.keep_verdict("j1", "rejected", "blurred", 0, ACTOR, 8.0)
        store.keep_verdict("j1", "approved", "", 1, ACTOR, 9.0)
        for name in ("ada", "tom"):
            store.put_user(name, "user", "", ACTOR, 9.0)
            store.put_password(name, HASH, None, ACTOR, 10.0)
        store.remove_password("tom", ACTOR, 11.0)
    row, kept = store.job("j1"), kept_reviews(store)
    assert row is not None and row["verdict"] == "approved" and set(kept["passwords"]) == {"ada"}
    assert told(store).differences({"j1": row}, {"j1": [0]}, {}, {}, kept) == []
    forgeries: list[dict[str, Any]] = [
        {"notes": {**kept["notes"], "1": {**kept["notes"]["1"], "note": {"hmac_sha256": "0" * 64}}}},
        {"notes": {**kept["notes"], "1": {**kept["notes"]["1"], "state": "open"}}},
        {"notes": {"1": kept["notes"]["1"]}},
        {"verdicts": {"j1": {**kept["verdicts"]["j1"], "verdict": "rejected"}}},
        {"verdicts": {}},
        {"passwords": {"ada": True, "tom": True}},
    ]
    for forged in forgeries:
        (found,) = told(store).differences({"j1": row}, {"j1": [0]}, {}, {}, {**kept, **forged})
        assert found.startswith(next(iter(forged))), found
