"""Files of people and batches over real HTTP, against the real daemon: what comes in, what is refused, what a retry does."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from scheduler.client import Scheduler, SchedulerError
from tests.acceptance.studio import ROLES, Studio, until
from tests.integration.test_uploads import portrait, voice
from tests.integration.web_rig import Caller, signed_in, started


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One studio for all tests of this file."""
    made = started(tmp_path_factory.mktemp("studio"))
    yield made
    made.end()


@pytest.fixture(scope="module")
def day_team(studio: Studio) -> Caller:
    """A signed-in person."""
    return signed_in(studio, "day-team")


def bring(caller: Caller, kind: str, data: bytes, name: str = "face.png") -> Any:
    """Send a file; the answer."""
    return caller.post(f"/uploads?kind={kind}&name={name}", data, Content_Type="application/octet-stream")


def png(side: int = 600) -> bytes:
    """A picture's bytes."""
    file = io.BytesIO()
    Image.radial_gradient("L").resize((side, side)).convert("RGB").save(file, "PNG")
    return file.getvalue()


def test_video_is_made_with_ones_own_face_and_again_after_the_role_has_another(
    studio: Studio, day_team: Caller, tmp_path: Path
) -> None:
    face = bring(day_team, "portrait", png()).json
    sound = bring(day_team, "voice", voice(tmp_path / "v.wav").read_bytes(), "v.wav").json
    assert (face["width"], sound["seconds"], sound["blocks"], sound["video_s"]) == (600, 2.5, 6, 2.88)
    answer = day_team.post("/jobs", {"role": "teacher", "portrait": face["sha256"], "voice": sound["sha256"]})
    assert answer.status == 202, answer.body
    job = studio.wait_for_end(answer.json["id"])
    recipe = json.loads(job["recipe"])
    assert (recipe["portrait_sha256"], recipe["voice_sha256"]) == (face["sha256"], sound["sha256"])
    assert job["total_blocks"] == 6 and job["state"] == "SUCCEEDED"
    page = day_team.get(f"/submit?from={job['id']}", Accept="text/html").body.decode()
    assert f'name="portrait" value="{face["sha256"]}"' in page, "a copy begins with the same files"
    changed = ROLES.read_text(encoding="utf-8").replace("images/teacher.png", "images/captain.png")
    assert "teacher" in studio.door.put_roles(changed, ROLES.parent)["changed"]
    again = day_team.post(f"/jobs/{job['id']}/again")
    assert json.loads(studio.wait_for_end(again.json["id"])["recipe"])["portrait_sha256"] == face["sha256"]
    night = signed_in(studio, "night-team")
    refused = night.post("/jobs", {"role": "teacher", "portrait": face["sha256"]})
    assert (refused.status, refused.json["error"]["field"]) == (422, "portrait")
    assert night.get(f"/uploads/{face['sha256']}/content").status == 404
    content = day_team.get(f"/uploads/{face['sha256']}/content")
    assert content.body == png() and content.headers["content-type"] == "image/png"
    assert content.headers["x-content-type-options"] == "nosniff" and "sandbox" in content.headers["content-security-policy"]
    assert content.headers["content-disposition"].startswith("attachment; filename=portrait-")
    assert day_team.ask("DELETE", f"/uploads/{face['sha256']}", {}).status == 200
    page = day_team.get(f"/submit?from={job['id']}", Accept="text/html").body.decode()
    assert "or not here any more" in page, "a copy without the file says so"
    gone = day_team.post(f"/jobs/{job['id']}/again")
    assert (gone.status, gone.json["error"]["code"]) == (409, "asset_missing")


def test_what_is_too_large_without_length_cut_off_or_no_picture_leaves_nothing_behind(studio: Studio, day_team: Caller) -> None:
    incoming = studio.data_dir / "incoming"
    text = bring(day_team, "portrait", b"<svg onload='alert(1)'/>")
    assert (text.status, text.json["error"]["field"]) == (422, "portrait") and "face.png" in text.json["error"]["message"]
    assert day_team.post("/uploads?kind=portrait", {"a": 1}).status == 415
    assert day_team.post("/jobs", b"x" * (2 << 20), Content_Type="application/octet-stream").status == 413  # others stay small

    def raw(head: str, body: bytes = b"") -> bytes:
        with socket.create_connection(("127.0.0.1", studio.port), timeout=60) as line:
            start = f"POST /uploads?kind=portrait HTTP/1.1\r\nHost: 127.0.0.1:{studio.port}\r\nConnection: close\r\n"
            line.sendall((start + f"Content-Type: application/octet-stream\r\n{head}\r\n\r\n").encode() + body)
            line.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: line.recv(65_536), b""))

    assert b" 413 " in raw("Content-Length: 2147483648")
    assert b" 411 " in raw("Transfer-Encoding: chunked", b"0\r\n\r\n")
    assert b"5000 of 1000000 bytes came" in raw("Content-Length: 1000000", b"x" * 5000)
    assert list(incoming.iterdir()) == []


def test_batch_is_looked_at_submitted_once_and_followed(studio: Studio, day_team: Caller) -> None:
    face = bring(day_team, "portrait", png(620)).json
    files = [
        {"name": "list.json", "text": json.dumps([
            {"role": "teacher", "name": "rain", "context": {"topic": "rain"}, "duration_sec": 1},
            {"role": "student", "image": "pictures/face.png", "duration_sec": 1}, {"role": "nobody"},
            {"role": "student", "user": "night-team"}, {"role": "student", "audio": "missing.wav"},
        ])},
        {"name": "lines.jsonl", "text": '{"role": "student", "duration_sec": 1}\n{"role": "student",}'},
    ]  # fmt: skip
    looked = day_team.post("/jobs/batch/check", {"files": files, "brought": {"face.png": face["sha256"]}}).json
    assert (looked["good"], looked["bad"]) == (3, 4)
    assert [item["error"] and item["error"]["code"] for item in looked["items"]] == [
        None, None, "unknown_role", "no_right", "file_missing", None, "bad_profile",
    ]  # fmt: skip
    first = looked["items"][0]
    assert "rain" in first["prompt"] and (first["blocks"], first["width"]) == (2, 192)
    items = [{"name": item["name"], "request": item["request"]} for item in looked["items"]]
    key = {"Idempotency_Key": "lessons-7"}
    refused = day_team.post("/jobs/batch", {"items": items[:3], "is_all_or_nothing": True}, **key)
    assert refused.status == 409 and refused.json["error"]["data"]["items"][2]["error"]["code"] == "unknown_role"
    assert day_team.get("/jobs/batch/lessons-7").status == 404, "nothing was submitted"
    assert day_team.post("/jobs/batch", {"items": items}).json["error"]["code"] == "no_key"
    sent = day_team.post("/jobs/batch", {"items": items[:3]}, **key).json
    assert (sent["taken"], sent["refused"]) == (2, 1)
    more = day_team.post("/jobs/batch", {"items": [*items[:2], items[5]]}, **key).json  # the rest, and what was sent before
    assert [item["is_repeat"] for item in more["items"]] == [True, True, False]
    assert [item["job"]["id"] for item in more["items"][:2]] == [item["job"]["id"] for item in sent["items"][:2]]
    until(lambda: day_team.get("/jobs/batch/lessons-7").json["open"] == 0, "the batch is done")
    batch = day_team.get("/jobs/batch/lessons-7").json
    assert (batch["total"], batch["succeeded"]) == (3, 3)
    assert [item["name"] for item in batch["items"]] == ["rain", "list-2", "lines-1"]
    many = day_team.post("/jobs/batch/check", {"items": [{"name": "a", "request": {"role": "a"}}] * 10_000})
    assert many.json["error"]["code"] == "bad_batch_size" and "10000" in many.json["error"]["message"]


def test_all_or_nothing_takes_nothing_when_the_line_is_too_long(studio: Studio) -> None:
    items = [{"name": f"v{i}", "request": {"user": "market-team", "role": "teacher"}} for i in range(150)]
    with pytest.raises(SchedulerError) as caught:
        studio.door.submit_batch(items, "too-many", is_all_or_nothing=True)
    assert caught.value.code == "batch_refused" and "100 queued jobs" in caught.value.message
    assert studio.reader.batch("local", "too-many") == []
    assert studio.reader.jobs(user="market-team").total == 0


def test_folder_of_profiles_becomes_videos_named_after_them(studio: Studio, tmp_path: Path) -> None:
    inside, output = tmp_path / "profiles", tmp_path / "videos"
    inside.mkdir()
    portrait(inside / "face.png")
    (inside / "a.json").write_text(json.dumps({"role": "teacher", "image": "face.png", "duration_sec": 1}), encoding="utf-8")
    two = [{"role": "student", "name": "two", "duration_sec": 1}, {"role": "nobody"}]
    (inside / "b.json").write_text(json.dumps(two), encoding="utf-8")

    def batch(*flags: str) -> tuple[int, str]:
        words = [sys.executable, "-m", "scheduler.cli", "batch", str(inside), "--data", str(studio.data_dir), *flags]
        done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout

    code, said = batch("--check", "--json")
    assert code == 10 and [one["error"] is None for one in json.loads(said)["items"]] == [True, True, False]
    assert batch("--all-or-nothing")[0] == 11
    assert batch("--output", str(output), "--key", "cli-1")[0] == 10
    assert sorted(path.name for path in output.iterdir()) == ["a.log", "a.mp4", "two.log", "two.mp4"]
    before = studio.reader.jobs().total
    assert batch("--key", "cli-1")[0] == 10 and studio.reader.jobs().total == before, "the same key doubles nothing"


def test_client_from_another_machine_brings_files_and_batches(studio: Studio, tmp_path: Path) -> None:
    studio.door.create_login_link("shift-team", "user", "")
    token = studio.door.create_token("shift-team", "laptop")["token"]
    far = Scheduler(studio.url, token=token)
    face = far.bring_file("portrait", portrait(tmp_path / "face.png", 640))
    items = [{"name": "one", "request": {"user": "shift-team", "role": "teacher", "portrait": face["sha256"], "duration_sec": 1}}]
    assert far.check_batch(items)["good"] == 1
    taken = far.submit_batch(items, "far-1")
    assert studio.wait_for_end(taken["items"][0]["job"]["id"])["state"] == "SUCCEEDED"
    assert studio.reader.upload("user:shift-team", face["sha256"])["jobs"] == 1  # type: ignore[index]
