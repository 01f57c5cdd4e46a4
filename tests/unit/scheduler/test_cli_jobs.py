"""`jobs`: places and reasons as the rules in force have them, blockers as a table and as data."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scheduler.cli.app import app
from scheduler.core.situation import Playing, Situation
from tests.unit.scheduler.store_rig import AT, accept, go, writer


def run(data_dir: Path, *words: str) -> Any:
    return CliRunner().invoke(app, [*words, "--data", str(data_dir)])


def two_in_line(data_dir: Path, situation: Situation) -> tuple[str, str]:
    """A job of a team that has used more than its share, and a later one of another team."""
    recipe = {"prompt": "Explain rain", "settings": {}}
    with writer(data_dir) as store:
        first, second = accept(store, 1, recipe=recipe), accept(store, 2, recipe=recipe, team="market")
        for job in (first, second):
            go(store, "SUBMITTED", "QUEUED", job_id=job, hold="waiting_for_slot")
        with store.transaction():
            store.set_fact("situation", situation.to_mapping(), AT)
    return first, second


def test_job_that_waits_names_its_blockers_in_words_and_as_data(tmp_path: Path) -> None:
    playing = Playing(slot=0, job_id="jbusy", role="teacher", user="reader", team="education")
    first, second = two_in_line(tmp_path, Situation(ready_slots=1, playing=(playing,), handicaps=(("education", 9.5),)))
    told = json.loads(run(tmp_path, "jobs", first, "--json").output)
    assert told["place"] == {"place": 2, "of": 2}  # fair share counts, as it does for the scheduler
    assert told["why"]["text"]["zh"].startswith("排在第 2 位")
    rules = {blocker["rule"]: blocker for blocker in told["why"]["blockers"]}
    assert (rules["ahead"]["job"], rules["slot_busy"]["job"], rules["fair_share"]["amount"]) == (second, "jbusy", 9.5)
    shown = run(tmp_path, "jobs", first).output
    assert f"why: Number 2 of 2 in line; the next one is {second}." in shown and "排在第 2 位" in shown
    assert "fair_share" in shown and "9.5" in shown and "slot 0" in shown


def test_list_of_jobs_tells_what_holds_them_all_back(tmp_path: Path) -> None:
    first, second = two_in_line(tmp_path, Situation(is_queue_paused=True, ready_slots=1))
    listed = run(tmp_path, "jobs").output
    assert listed.count("QUEUED (queue paused)") == 2
    rows = {row["id"]: row for row in json.loads(run(tmp_path, "jobs", "--json").output)["jobs"]}
    assert (rows[first]["hold"], rows[first]["place"], rows[second]["place"]) == ("queue_paused", 1, 2)


def test_who_waits_for_a_paused_queue_reads_why_and_until_when(tmp_path: Path) -> None:
    first, _ = two_in_line(tmp_path, Situation(is_queue_paused=True, ready_slots=1))
    with writer(tmp_path) as store, store.transaction():
        store.set_fact("queue_paused", {"is_paused": True, "reason": "lunch", "by": "ana", "until": AT + 600}, AT)
    blocker = json.loads(run(tmp_path, "jobs", first, "--json").output)["why"]["blockers"][0]
    assert (blocker["rule"], blocker["reason"], blocker["until"]) == ("queue_paused", "lunch", AT + 600)
    assert "reason lunch" in run(tmp_path, "jobs", first).output


def test_forecasts_that_are_missing_say_whether_there_is_anything_to_foretell(tmp_path: Path) -> None:
    first, second = two_in_line(tmp_path, Situation(ready_slots=1))
    assert run(tmp_path, "forecast", "show").output.count("unknown: the forecaster gives no fresh numbers") == 2
    with writer(tmp_path) as store:
        for job in (first, second):
            go(store, "QUEUED", "CANCELLED", job_id=job)
    assert run(tmp_path, "forecast", "show").output == "No open job.\n"


def test_times_of_a_job_are_told_as_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the studio's zone, whatever the shell's is, and with the distance from UTC."""
    monkeypatch.setenv("GREENROOM_ZONE", "Asia/Kathmandu")
    with writer(tmp_path) as store:
        job = accept(store, 1, recipe={"prompt": "Explain rain", "settings": {}})
        go(store, "SUBMITTED", "QUEUED", job_id=job, offered_at=AT + 1)
        go(store, "QUEUED", "LEASED", job_id=job, leased_at=AT + 2, slot=0, lease_id="l")
    shown = run(tmp_path, "jobs", job).output
    lines = dict(line.split(": ", 1) for line in shown.splitlines() if line.startswith(("offered_at", "leased_at")))
    assert {name: datetime.fromisoformat(text).timestamp() for name, text in lines.items()} == {
        "offered_at": int(AT + 1), "leased_at": int(AT + 2),
    }  # fmt: skip
    listed, logged = run(tmp_path, "jobs").output, run(tmp_path, "audit", "tail").output
    assert {text[-6:] for text in lines.values()} == {"+05:45"} and "+05:45" in listed
    story = shown.partition("story:\n")[2].splitlines()
    assert len(story) == 3 and all(line.split()[2].endswith("+05:45") for line in [*story, *logged.splitlines()])


def test_zone_that_is_none_is_named_before_any_time_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two_in_line(tmp_path, Situation(ready_slots=1))
    monkeypatch.setenv("GREENROOM_ZONE", "Mars")
    refused = run(tmp_path, "jobs")
    assert refused.exit_code == 64 and "GREENROOM_ZONE is 'Mars', which is no zone." in refused.output
