"""Notes, verdicts and resets from the command line: what is shown, and what is asked of the daemon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scheduler.cli.app import app
from scheduler.client import Scheduler
from tests.unit.scheduler.store_rig import AT, READER, accept, go, writer

PATH = ("SUBMITTED", "QUEUED", "LEASED", "RUNNING", "SUCCEEDED")


def talked(data_dir: Path) -> tuple[str, str]:
    """A rejected job with notes, and one that nobody judged."""
    recipe = {"prompt": "Explain rain", "settings": {}}
    with writer(data_dir) as store:
        first, second = accept(store, 1, recipe=recipe), accept(store, 2, recipe=recipe)
        for job in (first, second):
            go(store, *PATH, job_id=job, finished_at=AT)
        with store.transaction():
            number = store.write_note(first, "The mouth is late", READER, AT, video_s=1.25)
            store.write_note(first, "It is", READER, AT, answers=number)
            store.keep_verdict(first, "rejected", "lips", 0, READER, AT)
    return first, second


def run(data_dir: Path, *words: str) -> Any:
    return CliRunner().invoke(app, [*words, "--data", str(data_dir)])


def test_job_is_shown_with_what_people_said_and_lists_by_verdict(tmp_path: Path) -> None:
    first, second = talked(tmp_path)
    shown = run(tmp_path, "jobs", first).output
    assert "verdict: rejected" in shown and "reason: lips" in shown
    assert "1.2 s" in shown and "The mouth is late" in shown and "answer to 1" in shown
    told = json.loads(run(tmp_path, "jobs", first, "--json").output)
    assert [note["text"] for note in told["notes"]] == ["The mouth is late", "It is"] and told["judged"]["number"] == 1
    listed = run(tmp_path, "jobs", "--verdict", "unjudged").output
    assert second in listed and first not in listed
    assert "unjudged" in run(tmp_path, "jobs", "--verdict", "fine").output
    assert "notes:" not in run(tmp_path, "jobs", second).output


def test_verdict_follows_the_one_that_stands_and_a_rejection_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = talked(tmp_path)
    asked: list[tuple[Any, ...]] = []
    released = [{"id": "jmain", "state": "LEASED"}]
    monkeypatch.setattr(Scheduler, "judge", lambda _, *wish: asked.append(wish) or {"job_id": wish[0], "waiting": released})
    assert run(tmp_path, "approve", first).output == f"{first}: approved\njmain  LEASED\n"
    assert run(tmp_path, "reject", second, "--reason", "too dark").exit_code == 0
    assert asked == [(first, "approved", "", 1), (second, "rejected", "too dark", 0)]
    assert run(tmp_path, "reject", second).exit_code != 0
    assert run(tmp_path, "approve", "jnothere").exit_code != 0 and len(asked) == 2


def test_note_and_reset_are_asked_of_the_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(Scheduler, "write_note", lambda _, *wish: asked.append(wish) or {"number": 7})
    monkeypatch.setattr(Scheduler, "reset_password", lambda _, user: {"user": user, "path": "/login?token=t"})
    assert "note 7" in run(tmp_path, "note", "j1", "late", "--at", "3.2").output
    assert asked == [("j1", "late", 3.2, None)]
    assert run(tmp_path, "password-reset", "--user", "ada", "--base", "https://x.example/").output == "https://x.example/login?token=t\n"
    assert run(tmp_path, "password-reset").exit_code != 0
