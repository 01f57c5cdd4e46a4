"""The command line against a whole studio with the scripted engine: what a person types, and what comes back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from scheduler.demo import _sign_in
from scheduler.serve_options import ServeOptions
from tests.acceptance.studio import ROOT, Studio


class Shell:
    """Types commands for one studio."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self._env = {**os.environ, "GREENROOM_DATA": str(studio.data_dir)}

    def run(self, *words: str, code: int = 0) -> str:
        """Standard output of a command that must end with this code."""
        command = [sys.executable, "-m", "scheduler.cli", *words]
        done = subprocess.run(command, cwd=ROOT, env=self._env, capture_output=True, text=True, timeout=250)
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def ask(self, *words: str, code: int = 0) -> Any:
        """The last JSON object of a command."""
        return json.loads(self.run(*words, "--json", code=code).splitlines()[-1])


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A shell beside one running studio for all tests of this file."""
    studio = Studio(tmp_path_factory.mktemp("studio"), "fake")
    try:
        studio.start()
        yield Shell(studio)
    finally:
        studio.end()


def test_a_persons_day_at_the_command_line(shell: Shell) -> None:
    made = shell.ask("submit", "teacher", "--user", "reader", "--context", "topic=tides", "--num_clip", "1", "--wait")
    assert (made["state"], made["frames"]) == ("SUCCEEDED", 48)
    job = shell.ask("jobs", made["id"])
    assert "tides" in job["recipe"]["prompt"]
    assert job["story"][0]["action"] == "job:submitted"
    assert shell.ask("watch", made["id"])["video"].endswith("video.mp4")

    again = shell.ask("again", made["id"])
    assert (again["is_equal"], again["blocks"], again["different"], again["rebuilt"]) == (True, 4, [], [])

    switched = shell.ask("switch", "teacher", "topic=LLM architecture", "audience=developers")
    assert switched["weights_reloaded"] is False
    assert "LLM architecture" in switched["prompt"]


def test_queue_can_be_paused_reordered_and_emptied_from_the_command_line(shell: Shell) -> None:
    shell.run("queue", "pause", "--reason", "lunch")
    first = shell.ask("submit", "student", "--user", "kim")
    second = shell.ask("submit", "teacher", "--user", "kim")
    assert [first["place"]["place"], second["place"]["place"]] == [1, 1]  # the teacher's own priority is higher
    shell.run("priority", first["id"], "90", "--reason", "the guest is here")
    assert [row["id"] for row in shell.ask("jobs", "--state", "open")["jobs"] if row["place"] == 1] == [first["id"]]
    assert shell.ask("--validate", code=10)["verdict"] == "fits_degraded"
    shell.run("cancel", second["id"])
    assert shell.ask("jobs", second["id"])["state"] == "CANCELLED"
    assert shell.run("cancel", second["id"], code=64) == ""
    shell.run("queue", "resume")
    assert shell.ask("watch", first["id"])["state"] == "SUCCEEDED"


def test_session_of_three_roles_keeps_the_slot_while_another_job_waits(shell: Shell) -> None:
    shell.run("queue", "pause")
    parts: list[str] = []
    for role in ("teacher", "student", "assistant"):
        follows = ["--follows", parts[-1]] if parts else []
        parts.append(shell.ask("submit", role, "--user", "relay", "--num_clip", "1", "--priority", "5", *follows)["id"])
    other = shell.ask("submit", "teacher", "--user", "kim", "--num_clip", "1", "--priority", "50")["id"]
    shell.run("priority", parts[0], "60")
    assert shell.studio.job(parts[1])["hold"] == "awaiting_turn"
    stranger = shell.ask("submit", "presenter", "--num_clip", "1", "--follows", parts[-1], code=11)
    assert stranger["decision"]["reason"] == "session_roles", "presenter and student exclude each other"
    shell.run("queue", "resume")
    rows = {job_id: shell.studio.wait_for_end(job_id) for job_id in (*parts, other)}
    assert {row["state"] for row in rows.values()} == {"SUCCEEDED"}
    late = shell.ask("submit", "teacher", "--num_clip", "1", "--follows", parts[-1], code=11)
    assert late["decision"]["reason"] == "predecessor_over"
    for before, after in pairwise(parts):
        assert rows[after]["leased_at"] == rows[before]["finished_at"]  # in the very step in which the part before ended
    assert rows[other]["leased_at"] >= rows[parts[-1]]["finished_at"]  # though it leads them by far


def test_watermark_of_a_sound_house_fits_and_a_damaged_portrait_does_not(shell: Shell) -> None:
    report = shell.ask("--validate")
    assert report["verdict"] == "fits"
    names = {check["name"] for check in report["checks"]}
    assert {"daemon", "workers", "disk", "device memory cpu", "role teacher", "queue", "versions"} <= names

    role = next(row for row in shell.ask("roles", "list")["roles"] if row["name"] == "teacher")
    sha256 = role["body"]["portrait_sha256"]
    portrait = Path(report["data_dir"]) / "assets" / sha256[:2] / sha256
    sound = portrait.read_bytes()
    portrait.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    damaged = shell.ask("--validate", code=11)
    portrait.write_bytes(sound)
    assert {c["name"]: c["state"] for c in damaged["checks"]}["role teacher"] == "bad"
    assert shell.ask("--validate")["verdict"] == "fits"


def test_audit_can_be_read_verified_exported_and_its_export_verified(shell: Shell, tmp_path: Path) -> None:
    shell.run("submit", "student", "--num_clip", "1", "--wait")
    assert shell.ask("audit", "tail", "-n", "1")["seq"] > 1
    assert shell.ask("audit", "verify")["ok"] is True
    export = tmp_path / "audit.jsonl"
    assert shell.ask("audit", "export", str(export))["is_recorded"] is True
    assert shell.ask("audit", "verify", "--export", str(export))["ok"] is True
    export.write_text(export.read_text(encoding="utf-8").replace('"local"', '"reader"'), encoding="utf-8")
    assert shell.ask("audit", "verify", "--export", str(export), code=20)["ok"] is False


def test_people_and_programs_get_in_by_link_and_token(shell: Shell) -> None:
    link = shell.ask("login-link", "--user", "reader", "--group", "planner")["link"]
    assert link.startswith(f"{shell.studio.url}/login?token="), "where it listens, not where it would by default"
    assert shell.ask("token", "create", "bot", "--user", "reader")["token"]
    shell.ask("login-link", "--user", "reader")
    shell.ask("login-link", "--user", "stranger")
    users = {user["name"]: user["group"] for user in shell.studio.reader.users()}
    assert (users["reader"], users["stranger"]) == ("planner", "user"), "a link by itself gives nobody more rights"
    assert shell.ask("token", "revoke", "bot")["revoked"] == 1
    assert shell.run("token", "revoke", "bot", code=64) == ""


def test_demo_hands_out_a_fresh_link_each_time(shell: Shell) -> None:
    options = ServeOptions(data_dir=shell.studio.data_dir, port=shell.studio.port)
    tokens = [_sign_in(options).split("/login?token=")[1] for _ in range(2)]
    assert tokens[0] != tokens[1]
    assert [shell.studio.door.redeem_login_link(token)["user"] for token in tokens] == ["demo", "demo"]


def test_mistakes_at_the_command_line_change_nothing(shell: Shell) -> None:
    before = shell.ask("jobs")["total"]
    for words, field in (
        (["submit", "nobody"], "role"),
        (["submit", "teacher", "--duration", "-3"], "duration_sec"),
        (["submit", "teacher", "--context", "nope=1"], "context.nope"),
        (["submit", "teacher", "--degrade", "perhaps"], "degrade"),
        (["submit", "teacher", "--priority", "101"], "priority"),
        (["submit", "teacher", "--duration", "600"], "duration_sec"),
    ):
        assert shell.ask(*words, code=64)["error"]["field"] == field
    assert shell.ask("jobs")["total"] == before
