"""`--validate --plan`, `plan …`, `--stress`, as people type them: exit codes, tables, mistakes with their lines."""

from __future__ import annotations

import hashlib
import json
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from engine.config import fit_size
from scheduler.assets import AssetLibrary
from scheduler.cli.app import app
from scheduler.core.block_times import BlockKey, BlockTime
from tests.unit.scheduler.store_rig import AT, READER, role, writer

GIB = 1 << 30
TOMORROW = (datetime.now().astimezone() + timedelta(days=1)).date().isoformat()
STATUS: dict[str, Any] = {
    "daemon": {"pid": 1, "model": "pocket", "weights_trained": False, "trouble": None},
    "slots": [{"slot": 0, "worker": "w1", "drained": False, "drained_for": [], "drained_until": None, "device": "cpu",
               "last_error": None}], "standby": [],
    "vault": {"pid": 8, "limit_bytes": 4 * GIB, "files_bytes": 0, "contexts_bytes": 0, "conditions_bytes": 0, "silent_s": 0.0,
             "device_bytes": 0, "parked": {"jobs": 0, "bytes": 0, "taken": 0}},
    "queue": {"paused": False, "length": 0},
}  # fmt: skip


def status_now() -> dict[str, Any]:
    """What a daemon answers whose time is that of the machine."""
    return {**STATUS, "daemon": {**STATUS["daemon"], "now": time.time()}}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A studio in good order whose daemon answers, with a role, its files, a reading and a learnt pace."""
    kept = {kind: hashlib.sha256(kind.encode()).hexdigest() for kind in ("portrait", "voice")}
    for kind, sha256 in kept.items():
        path = AssetLibrary(tmp_path).path_of(sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(kind)
    teacher = role(
        portrait_sha256=kept["portrait"], voice_sha256=kept["voice"], preset="pocket", voice_seconds=48.0,
        defaults={"topic": "rain", "audience": "everyone"},
    )  # fmt: skip
    with writer(tmp_path) as store, store.transaction():
        store.put_role(teacher, READER, AT)
        width, height = fit_size("192*128", teacher.image_width, teacher.image_height)
        store.keep_block_time(BlockKey("pocket", f"{width}x{height}", 4, "cpu"), BlockTime(1.0, 0.02, 2.0, 50), AT)
        store.insert_sample(time.time(), "cpu", {"memory_used_bytes": GIB, "memory_total_bytes": 16 * GIB})
    for module in ("plan", "stress"):
        monkeypatch.setattr(f"scheduler.cli.{module}.ask_daemon", lambda _: (status_now(), ""))
    return tmp_path


def run(*words: str | Path) -> Result:
    """The program in this process."""
    return CliRunner().invoke(app, [str(word) for word in words])


def plan_in(folder: Path, *entries: str, name: str = "plan.yaml") -> Path:
    """A plan for tomorrow."""
    path = folder / name
    path.write_text(f"date: {TOMORROW}\nentries:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries))
    return path


ASKED = 'role: teacher, user: a, window: "10:00-11:00"'
CROWD = 'role: teacher, user: a, window: "10:00-10:10"'


@pytest.mark.parametrize(
    ("entry", "code", "words"),
    [
        (f"{ASKED}, count: 5", 0, "Everything fits."),
        (f"{ASKED}, preset: preview, length: 6", 10, "needs attention"),
        (f"{CROWD}, count: 8", 11, "does not fit"),
        (f"{ASKED}, length: 90", 11, "fill: loop"),
    ],
)
def test_exit_code_is_the_verdict_on_the_plan(entry: str, code: int, words: str, data: Path) -> None:
    done = run("--validate", "--plan", plan_in(data, entry), "--data", data)
    assert (done.exit_code, words in done.output) == (code, True), done.output
    as_data = json.loads(run("--validate", "--plan", plan_in(data, entry), "--data", data, "--json").output)
    assert (as_data["exit_code"], as_data["day"]) == (code, TOMORROW)


def test_daemon_that_does_not_answer_is_cannot_tell(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scheduler.cli.plan.ask_daemon", lambda _: (None, "It does not answer."))
    done = run("--validate", "--plan", plan_in(data, ASKED), "--data", data)
    assert (done.exit_code, "It does not answer." in done.output) == (12, True)


@pytest.mark.parametrize(
    ("causes", "code", "finding"),
    [
        (["person"], 10, "slots drained now: 1 of 1; for"),
        (["maintenance"], 10, "slot 0 in maintenance until"),
        (["maintenance", "person"], 10, "drained by hand (role_scheduler drain 0 --back gives"),
    ],
)
def test_slot_drained_now_is_no_misfit_of_tomorrow(
    causes: list[str], code: int, finding: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = status_now()
    status["slots"] = [{**STATUS["slots"][0], "drained": True, "drained_for": causes, "drained_until": time.time() + 600}]
    monkeypatch.setattr("scheduler.cli.plan.ask_daemon", lambda _: (status, ""))
    done = run("--validate", "--plan", plan_in(data, ASKED), "--data", data)
    assert (done.exit_code, finding in done.output) == (code, True), done.output
    assert "every video is finished in its window" in done.output


def test_slot_drained_by_hand_takes_no_work_today_and_one_in_maintenance_comes_back(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = status_now()
    monkeypatch.setattr("scheduler.cli.plan.ask_daemon", lambda _: (status, ""))
    today = datetime.now().astimezone().date().isoformat()
    with writer(data) as store, store.transaction():
        entry = 'entries:\n  - {role: teacher, user: a, window: "00:00-24:00"}\n'
        store.keep_plan(today, "yaml", entry, "ab", 1, "local", AT)
    found = {}
    for cause in ("person", "maintenance"):
        status["slots"] = [{**STATUS["slots"][0], "drained": True, "drained_for": [cause], "drained_until": time.time() + 9}]
        checks = json.loads(run("--validate", "--data", data, "--json").output)["checks"]
        found[cause] = {check["name"]: check["state"] for check in checks}
    assert (found["person"]["workers"], found["person"]["plan time"]) == ("bad", "bad")
    assert (found["maintenance"]["workers"], found["maintenance"]["plan time"]) == ("attention", "ok")


def test_misfit_names_what_would_make_it_fit(data: Path) -> None:
    later = 'role: teacher, user: b, window: "14:00-15:00"'
    done = run("--validate", "--plan", plan_in(data, f"{CROWD}, count: 12", later), "--data", data)
    (line,) = [line for line in done.output.splitlines() if line.startswith("3 ")]
    assert "ask for" in line
    assert "instead of 12" in line
    assert "Together these make the whole plan fit: line 3, teacher" in done.output
    assert "more is wanted than can play" in done.output


def test_repair_that_does_not_suffice_says_which_lines_still_do_not_fit(data: Path) -> None:
    hopeless = 'role: teacher, user: b, window: "10:00-10:01", length: 90'
    done = run("--validate", "--plan", plan_in(data, f"{CROWD}, count: 12", hopeless), "--data", data)
    assert "Together these make more of the plan fit: line 3, teacher" in done.output
    assert "Still not: line 4, teacher." in done.output


def test_plan_filed_for_today_is_part_of_every_validate(data: Path) -> None:
    assert "no plan is filed" in run("--validate", "--data", data).output
    today = datetime.now().astimezone().date().isoformat()
    text = 'entries:\n  - {role: nobody, user: a, window: "00:00-24:00"}\n'
    with writer(data) as store, store.transaction():
        store.keep_plan(today, "yaml", text, "ab", 1, "local", AT)
    done = run("--validate", "--data", data)
    assert (done.exit_code, "there is no role nobody" in done.output) == (11, True)
    assert run("plan", "show", "--data", data).output == text
    assert run("plan", "show", "2001-01-01", "--data", data).exit_code == 64
    assert "is no day" in run("plan", "show", "yesterday", "--data", data).stderr


def test_mistakes_in_a_plan_are_file_and_line_and_nothing_is_checked(data: Path) -> None:
    bad = plan_in(data, 'role: teacher, user: a, window: "11:00-10:00"', "role: teacher")
    done = run("--validate", "--plan", bad, "--data", data)
    assert done.exit_code == 64
    assert f"{bad}:3: entry 1.window" in done.stderr
    assert f"{bad}:4: entry 2.user" in done.stderr
    assert "finding" not in done.output
    shape = json.loads(run("--validate", "--plan", bad, "--data", data, "--json").stdout)
    assert [problem["line"] for problem in shape["error"]["data"]["problems"]] == [3, 4, 4]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"\x00\x01", None])
def test_file_that_is_no_plan_is_64_with_a_sentence(content: bytes | None, data: Path) -> None:
    path = data / "plan.yaml"
    if content is not None:
        path.write_bytes(content)
    done = run("--validate", "--plan", path, "--data", data)
    assert (done.exit_code, bool(done.stderr.strip())) == (64, True)


@pytest.mark.parametrize(
    "words",
    [
        ("--plan", "x.yaml"), ("--live",), ("--day", "peak"), ("--compare", "1"), ("--validate", "--stress"),
        ("--stress", "status"), ("--stress", "--day", "someday"), ("--stress", "--slots", "0"),
        ("--stress", "--live", "--day", "peak"), ("--stress", "--compare", "7"), ("--stress", "--day", "peak", "--plan", "x"),
        ("--stress", "--live", "--jobs", "1"), ("--stress", "--live", "--limit", "0"), ("--validate", "--live"),
        ("--validate", "--day", "peak"), ("--validate", "--seed", "0"), ("--no-keep", "roles"), ("--anyway",),
    ],
    ids=" ".join,
)  # fmt: skip
def test_flags_that_do_not_belong_together_are_refused(words: tuple[str, ...], data: Path) -> None:
    done = run("--data", data, *words)
    assert done.exit_code in (2, 64), done.output  # 2 is the parser's own; the program makes it 64
    assert done.output.strip()


def test_stress_plays_a_plan_and_says_that_nobody_keeps_it(data: Path) -> None:
    done = run("--stress", "--plan", plan_in(data, f"{ASKED}, count: 40"), "--data", data, "--json")
    report = json.loads(done.stdout)
    assert (done.exit_code, report["day"], report["totals"]["succeeded"]) == (0, f"plan {TOMORROW}", 40)
    assert report["peaks"]["queue"] >= 1
    assert report["number"] is None
    assert "not kept" in done.stderr


def test_rehearsals_are_listed_shown_and_compared(data: Path) -> None:
    waits = {f"{key}_wait_s": 2.0 for key in ("mean", "p50", "p90", "p99", "longest")}
    figures = {"jobs": 3, "done": 3, "preemptions": 0, **waits}
    totals = {"preemptions": 1, "degraded": 0, "failed": 0, "rejected": 0, "workers_lost": 0}
    report = {"kind": "simulated", "day": "peak", "slots": 1, "totals": totals, "classes": {"urgent": figures}, "seed": 0,
              "peaks": {"queue": 4, "queue_at_s": 60.0, "longest_wait_s": 5.0}, "suggestions": []}  # fmt: skip
    with writer(data) as store, store.transaction():
        store.insert_rehearsal(report, "local", AT)
        store.insert_rehearsal({**report, "seed": 1, "totals": {**totals, "preemptions": 6}}, "local", AT)
    assert "simulated" in run("rehearsals", "list", "--data", data).output
    shown = run("rehearsals", "show", "1", "--data", data).output
    assert "longest queue 4" in shown
    both = run("rehearsals", "compare", "2", "1", "--data", data).output
    assert "not the same: seed: 0 → 1" in both
    assert "number 1  number 2  change" in both
    assert any(line.startswith("preemptions") and "+5" in line for line in both.splitlines())
    assert run("rehearsals", "show", "9", "--data", data).exit_code == 64
