"""Sessions submitted as one over the door, HTTP and the command line: all of their parts or none."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from scheduler.client import Scheduler, SchedulerError
from tests.acceptance.studio import Studio, until
from tests.integration.web_rig import Caller, signed_in, started


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One studio for all tests of this file."""
    made = started(tmp_path_factory.mktemp("studio"))
    yield made
    made.end()


def parts(*roles: str, **more: Any) -> list[dict[str, Any]]:
    return [{"role": role, "duration_sec": 0.5, **more} for role in roles]


def refusal(studio: Studio, wanted: list[Any], key: str | None = None) -> SchedulerError:
    """Why this session is refused; nothing of it may be left."""
    before = studio.reader.jobs().total
    with studio.reader.snapshot() as seq:
        pass
    with pytest.raises(SchedulerError) as caught:
        studio.door.submit_session([{"user": "ana", **one} if isinstance(one, dict) else one for one in wanted], key)
    assert studio.reader.jobs().total == before
    submitted = [row["action"] for row in studio.reader.audit_after(seq) if row["action"] == "job:submitted"]
    assert submitted == [], "the log knows nothing of it"
    return caught.value


def test_parts_are_played_in_order_and_know_each_other(studio: Studio) -> None:
    session = studio.door.request_session("ana", parts("teacher", "assistant", "student"))
    ids = [part["id"] for part in session["parts"]]
    assert session["id"] == ids[0] and len(set(ids)) == 3
    rows = [studio.wait_for_end(job_id) for job_id in ids]
    assert [row["state"] for row in rows] == ["SUCCEEDED"] * 3 and [row["follows"] for row in rows] == ["", *ids[:2]]
    assert all(after["started_at"] >= before["finished_at"] for before, after in pairwise(rows))
    ana = signed_in(studio, "ana")
    for place, job_id in enumerate(ids, start=1):
        told = ana.get(f"/jobs/{job_id}/session").json
        assert (told["id"], told["place"], [part["id"] for part in told["parts"]]) == (ids[0], place, ids)
    until(lambda: ana.get(f"/jobs/{ids[0]}/session").json["state"] == "off", "the daemon says that it joins nothing")
    missing = ana.get(f"/jobs/{ids[1]}/session/video")
    assert (missing.status, missing.json["error"]["code"]) == (404, "no_session_video")


def test_refused_third_part_leaves_nothing_and_the_house_goes_on(studio: Studio) -> None:
    error = refusal(studio, parts("teacher", "assistant", "presenter"))
    assert (error.code, error.data["part"], error.data["reason"]) == ("session_refused", 3, "session_roles")
    assert error.message.startswith("Part 3 (presenter) is refused, so nothing was submitted:") and "part 2" in error.message
    assert error.data["text"]["zh"].startswith("第 3 段（presenter）被拒绝") and "第 2 段" in error.data["text"]["zh"]
    assert studio.wait_for_end(studio.door.request_role("ana", "teacher", duration_sec=0.5)["id"])["state"] == "SUCCEEDED"


def test_session_longer_than_a_quota_is_told_that_its_own_parts_are_counted(studio: Studio) -> None:
    policy = studio.data_dir / "policy.yaml"
    policy.write_text("max_queued_per_user: 2\n")
    try:
        until(lambda: studio.reader.fact("policy")["max_queued_per_user"] == 2, "the quota")
        error = refusal(studio, parts(*["teacher"] * 9))
    finally:
        policy.unlink()
    assert error.data["reason"] == "queue_full" and error.message.endswith("has started. The parts before it are counted.")
    assert error.data["text"]["zh"].endswith("其中已计入前面各段。")
    until(lambda: studio.reader.fact("policy")["max_queued_per_user"] > 2, "the shipped policy")


@pytest.mark.parametrize(
    ("wanted", "code", "field", "says"),
    [
        (parts("teacher"), "bad_session_size", "parts", "2 to 50 parts, not 1. One part alone is a job: role_scheduler submit, "),
        (parts(*["teacher"] * 51), "bad_session_size", "parts", "not 51. Divide it"),
        ([], "bad_session_size", "parts", "not 0"),
        ([*parts("teacher"), "student"], "bad_request", "parts", "Part 2"),
        (parts("teacher", "nobody"), "unknown_role", "role", "Part 2 (nobody)"),
        ([*parts("teacher", "student"), {"role": "assistant", "priority": 101}], "bad_request", "priority", "Part 3 (assistant)"),
        ([*parts("teacher"), {"role": "student", "duration_sec": 900}], "voice_too_short", "duration_sec", "Part 2 (student)"),
        ([*parts("teacher"), {"role": "student", "follows": "jx"}], "bad_request", "follows", "Part 2 (student)"),
        ([{"role": "teacher", "follows": "jx"}, *parts("student")], "bad_request", "follows", "Part 1 (teacher)"),
        ([{"role": "teacher", "preview_first": True}, *parts("student")], "preview_unplanned", "preview_first", "Part 1"),
        ([*parts("teacher"), {"role": "student", "preview_first": True}], "preview_unplanned", "follows", "Part 2"),
        ([*parts("teacher"), {"role": "student", "start_in_sec": 9}], "bad_request", "start_in_sec", "Part 2"),
        ([*parts("teacher"), {"role": "\u202e<b>"}], "unknown_role", "role", "Part 2:"),
    ],
)  # fmt: skip
def test_impossible_session_names_its_part_and_leaves_nothing(
    studio: Studio, wanted: list[Any], code: str, field: str, says: str
) -> None:
    error = refusal(studio, wanted)
    assert (error.code, error.field) == (code, field), error.message
    assert says in f"{error.message} {error.hint}"


def test_first_part_may_have_a_reserved_time(studio: Studio) -> None:
    session = studio.door.request_session("ana", [{"role": "teacher", "start_in_sec": 3600}, {"role": "student"}])
    rows = [studio.job(part["id"]) for part in session["parts"]]
    assert [row["hold"] for row in rows] == ["scheduled", "awaiting_turn"]
    studio.door.cancel(session["id"])
    assert [studio.wait_for_end(row["id"])["state"] for row in rows] == ["CANCELLED", "CANCELLED"]


def test_same_key_gives_the_same_jobs_and_is_for_one_session_only(studio: Studio) -> None:
    wanted = parts("teacher", "student")
    first = studio.door.request_session("ana", wanted, idempotency_key="relay-1")
    again = studio.door.request_session("ana", wanted, idempotency_key="relay-1")
    assert [part["id"] for part in again["parts"]] == [part["id"] for part in first["parts"]]
    for other in ([*wanted, *parts("assistant")], parts("teacher", "assistant")):
        assert refusal(studio, other, "relay-1").code == "key_reused"
    assert refusal(studio, wanted, "x" * 201).field == "Idempotency-Key"


def test_fifty_parts_are_fifty_jobs(studio: Studio) -> None:
    session = studio.door.request_session("ben", parts(*["teacher"] * 50, priority=0))
    assert len({part["id"] for part in session["parts"]}) == 50
    studio.door.cancel(session["id"])
    until(lambda: studio.reader.jobs(user="ben", state="open").total == 0, "a session ends with its part")


def test_web_takes_sessions_and_keeps_what_is_somebody_elses(studio: Studio) -> None:
    ana, eve, kim = signed_in(studio, "ana"), signed_in(studio, "eve"), signed_in(studio, "kim", "coordinator")
    key = {"Idempotency_Key": "web-1"}
    made = ana.post("/sessions", {"parts": parts("teacher", "student")}, **key)
    assert made.status == 202, made.body
    assert ana.post("/sessions", {"parts": parts("teacher", "student")}, **key).json["id"] == made.json["id"]
    assert {studio.job(part["id"])["user"] for part in made.json["parts"]} == {"ana"}
    mixed = [*parts("teacher"), {"role": "student", "user": "eve", "duration_sec": 0.5}]
    assert ana.post("/sessions", {"parts": mixed}).status == 403
    theirs = kim.post("/sessions", {"parts": [{**mixed[0], "user": "ana"}, mixed[1]]})
    assert theirs.status == 202, theirs.body
    last = theirs.json["parts"][-1]["id"]
    for job_id in (theirs.json["id"], last):
        studio.wait_for_end(job_id)
        assert eve.get(f"/jobs/{job_id}/session/video").status == 403, "the first part is ana's"
        assert eve.get(f"/jobs/{job_id}/session").status == 200
    assert ana.post("/sessions", {"parts": parts("teacher"), "colour": "red"}).status == 422
    small = ana.post("/sessions", {"parts": parts("teacher")}, Accept_Language="zh")
    assert (small.status, small.json["error"]["code"]) == (422, "bad_session_size")
    assert "2 至 50 段" in small.json["error"]["message"]
    refused = ana.post("/sessions", {"parts": parts("presenter", "student")}, Accept_Language="zh").json["error"]
    assert refused["message"].startswith("第 2 段（student）被拒绝")
    late = ana.post("/sessions", {"parts": [*parts("teacher"), {"role": "student", "start_in_sec": 9}]}, Accept_Language="zh")
    assert late.json["error"]["message"].startswith("第 2 段：")


def test_client_from_another_machine_asks_for_a_session(studio: Studio) -> None:
    signed_in(studio, "rob")
    far = Scheduler(studio.url, token=studio.door.create_token("rob", "laptop")["token"])
    session = far.request_session("rob", parts("teacher", "student"), idempotency_key="far-1")
    assert far.request_session("rob", parts("teacher", "student"), idempotency_key="far-1")["id"] == session["id"]
    assert studio.wait_for_end(session["parts"][-1]["id"])["state"] == "SUCCEEDED"
    with pytest.raises(SchedulerError) as caught:
        far.request_session("ana", parts("teacher", "student"))
    assert caught.value.status == 403


def test_words_for_what_is_no_session_are_in_both_languages(studio: Studio) -> None:
    local = Caller(studio.port)
    alone = studio.door.request_role("local", "teacher", duration_sec=0.5)["id"]
    for address in (f"/jobs/{alone}/session", f"/jobs/{alone}/session/video"):
        english, chinese = local.get(address), local.get(address, Accept_Language="zh")
        assert (english.status, english.json["error"]["code"]) == (404, "no_session")
        assert "is no part of a session" in english.json["error"]["message"]
        assert chinese.json["error"]["message"] == "该任务不属于任何会话。"
    assert local.get("/jobs/jnothere/session").json["error"]["code"] == "unknown_job"


def cli(studio: Studio, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scheduler.cli", "session", *words, "--data", str(studio.data_dir)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_command_line_submits_a_session_and_says_why_there_is_no_video(studio: Studio, tmp_path: Path) -> None:
    done = cli(studio, "start", "teacher:0.5", "student:0.5", "--user", "ana")
    assert done.returncode == 0 and done.stdout.startswith("session j"), done.stderr
    told = json.loads(cli(studio, "start", "teacher:0.5", "student:0.5", "--json").stdout)
    studio.wait_for_end(told["parts"][-1]["id"])
    shown = cli(studio, "show", told["id"])
    assert shown.returncode == 0 and "the scripted engine makes no real videos" in shown.stdout
    waited = cli(studio, "start", "teacher:0.5", "student:0.5", "--output", str(tmp_path / "relay.mp4"))
    assert waited.returncode == 1 and "scripted engine" in waited.stderr and not (tmp_path / "relay.mp4").exists()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("start", "teacher:soon", "student"), 64, "'soon' is no number of seconds"),
        (("start", "teacher:", "student"), 64, "is no number of seconds"),
        (("start", "teacher:nan", "student"), 64, "Part 1 (teacher)"),
        (("start", "teacher:-1", "student"), 64, "Part 1 (teacher)"),
        (("start", "teacher"), 64, "2 to 50 parts, not 1"),
        (("start", "teacher", "student", "--output", "/"), 64, "is a folder"),
        (("show", "jnothere"), 64, "jnothere"),
    ],
)  # fmt: skip
def test_command_line_refuses_what_is_no_session(studio: Studio, words: tuple[str, ...], code: int, says: str) -> None:
    before = studio.reader.jobs().total
    done = cli(studio, *words)
    assert done.returncode == code, done.stderr
    assert says in done.stderr and studio.reader.jobs().total == before


def test_command_line_fails_when_a_part_of_the_session_is_cancelled(studio: Studio, tmp_path: Path) -> None:
    words = ["start", "teacher:30", "student:30", "--fill", "loop", "--user", "cut", "--json"]
    words += ["--output", str(tmp_path / "x.mp4"), "--data", str(studio.data_dir)]
    command = [sys.executable, "-m", "scheduler.cli", "session", *words]
    studio.door.pause_queue("one part is cancelled before")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiting:
        rows = until(lambda: studio.reader.jobs(user="cut", sort="ordinal").rows, "the session is there")
        studio.door.cancel(rows[1]["id"])
        studio.door.resume_queue()
        said, complaint = waiting.communicate(timeout=90)
    assert waiting.returncode == 1 and f"{rows[1]['id']} ended as CANCELLED: there will be no video" in complaint
    told = json.loads(said.splitlines()[-1])  # progress comes before it
    assert (told["id"], told["joined"]) == (rows[0]["id"], None)
    assert [part["state"] for part in told["parts"]] == ["SUCCEEDED", "CANCELLED"]
    assert not (tmp_path / "x.mp4").exists()
