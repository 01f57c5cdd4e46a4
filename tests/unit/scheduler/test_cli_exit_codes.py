"""Exit codes as scripts see them: the real program, started as people start it, without a daemon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scheduler.cli.exits import ExitCode, code_for
from scheduler.errors import DaemonUnreachable, SchedulerError

ROLE = "teacher:\n  image: a.png\n  audio: b.wav\n  prompt_template: 'Explain {topic}'\n"


def cli(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `role_scheduler` in a process of its own, with nobody at the terminal."""
    command = [sys.executable, "-m", "scheduler.cli", *words]
    root = Path(__file__).resolve().parents[3]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd or root, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["no_such_command"],
        ["submit"],
        ["submit", "teacher", "--no_such_flag"],
        ["submit", "teacher", "--context", "topic"],
        ["submit", "teacher", "--num_gpus_dit", "2"],
        ["submit", "teacher", "--image", "no_such_file.png"],
        ["batch", "no_such_folder"],
        ["jobs", "--limit", "0"],
        ["queue", "stop"],
        ["consent", "j1"],
        ["login-link", "--base", "ftp:x"],
        ["serve", "--engine", "steam"],
        ["serve", "--port", "70000"],
        ["serve", "--model", "no-such-model"],
        ["serve", "--slots", "0"],
        ["serve", "--preload_roles", "no_such_file.yaml"],
        ["roles", "check", "no_such_file.yaml"],
        ["generate", "--image", "no.png", "--audio", "no.wav"],
        ["jobs"],
        ["audit", "verify"],
        ["--validate", "jobs"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_64_with_a_sentence_and_no_traceback(words: list[str]) -> None:
    done = cli(*words)
    assert done.returncode == 64, done.stderr
    assert "Traceback" not in done.stderr
    assert (done.stderr + done.stdout).strip()


@pytest.mark.parametrize(
    "words",
    [
        ["submit", "teacher"],
        ["cancel", "j1"],
        ["pause", "j1"],
        ["resume", "j1"],
        ["priority", "j1", "5"],
        ["consent", "j1", "--agree"],
        ["switch", "teacher", "topic=x"],
        ["queue", "pause"],
        ["status"],
        ["login-link"],
        ["token", "create", "bot", "--user", "reader"],
        ["token", "revoke", "bot"],
    ],
    ids=" ".join,
)
def test_daemon_that_does_not_answer_is_69_and_says_how_to_start_it(words: list[str]) -> None:
    done = cli(*words)
    assert done.returncode == 69, done.stderr
    assert "role_scheduler serve" in done.stderr


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_policy_that_cannot_be_used_is_64_before_anything_is_started(command: str, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("max_crashs: 5\n")
    done = cli(command, "--data", str(tmp_path))
    assert done.returncode == 64, done.stderr
    assert "max_crashs" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["policy.yaml"]


@pytest.mark.parametrize("command", [["serve", "--preload_roles"], ["roles", "check"], ["roles", "load"]])
def test_roles_file_that_is_no_file_is_64_and_nobody_waits_for_it(command: list[str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "roles.yaml")
    for file in (str(tmp_path / "roles.yaml"), "/dev/zero"):
        done = cli(*command, file, "--data", str(tmp_path / "data"))
        assert done.returncode == 64 and f"{file} cannot be read: it is no regular file." in done.stderr, done.stderr
    assert not (tmp_path / "data").exists()


def test_error_with_json_is_one_object_on_standard_output() -> None:
    for words in (["status", "--json"], ["--json", "status"]):
        done = cli(*words)
        error = json.loads(done.stdout)["error"]
        assert error["code"] == "daemon_unreachable"
        assert set(error) >= {"code", "message", "field", "hint"}
        assert done.stderr == ""


def test_validate_without_a_daemon_cannot_tell_and_still_says_what_it_can(tmp_path: Path) -> None:
    done = cli("--validate", "--json", "--data", str(tmp_path))
    report = json.loads(done.stdout)
    states = {check["name"]: check["state"] for check in report["checks"]}
    assert done.returncode == 12
    assert report["verdict"] == "cannot_tell"
    assert (states["daemon"], states["disk"], states["versions"]) == ("unknown", "ok", "ok")


def test_help_is_zero_and_plain_without_a_terminal() -> None:
    done = cli("submit", "--help")
    assert done.returncode == 0
    assert "--infer_frames" in done.stdout
    assert "\x1b[" not in done.stdout


def test_roles_check_names_the_line_of_every_mistake(tmp_path: Path) -> None:
    file = tmp_path / "roles.yaml"
    file.write_text(ROLE + "  priority: 999\n", encoding="utf-8")
    done = cli("roles", "check", str(file))
    assert done.returncode == 64
    assert f"{file}:2: " in done.stderr
    assert f"{file}:3: " in done.stderr
    assert f"{file}:5: " in done.stderr


def test_broken_yaml_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "roles.yaml"
    file.write_text("teacher:\n  image: [a\nstudent: b\n", encoding="utf-8")
    done = cli("roles", "check", str(file))
    assert done.returncode == 64
    assert f"{file}:3:" in done.stderr


def test_examples_are_sound_and_their_prompts_can_be_previewed(repo_root: Path) -> None:
    roles = repo_root / "examples" / "roles.yaml"
    checked = cli("roles", "check", str(roles), "--json")
    assert checked.returncode == 0, checked.stderr + checked.stdout
    assert "teacher" in json.loads(checked.stdout)["roles"]
    shown = cli("prompt", "preview", "teacher", "topic=tides", "--roles", str(roles), "--json")
    assert shown.returncode == 0, shown.stderr
    assert "tides" in json.loads(shown.stdout)["prompt"]


def test_preview_of_a_missing_role_names_those_that_exist(repo_root: Path) -> None:
    done = cli("prompt", "preview", "nobody", "--roles", str(repo_root / "examples" / "roles.yaml"))
    assert done.returncode == 64
    assert "teacher" in done.stderr


def test_refusals_map_to_the_callers_fault_or_to_not_now_or_to_ours() -> None:
    assert code_for(DaemonUnreachable("here", "gone")) == ExitCode.UNREACHABLE
    assert code_for(SchedulerError(503, "no_worker", "later")) == ExitCode.UNREACHABLE
    assert code_for(SchedulerError(404, "unknown_job", "no")) == ExitCode.WRONG_USAGE
    assert code_for(SchedulerError(500, "broken", "oh")) == ExitCode.FAILED
