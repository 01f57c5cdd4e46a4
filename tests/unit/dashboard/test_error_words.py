"""Errors are told as sentences in the reader's language, with their code beside them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from dashboard.error_words import job_problem, told_failure
from dashboard.i18n import LANGUAGES, catalogue
from dashboard.views.submit import is_made_here
from engine.catalog import PRESETS
from scheduler.audit import SYSTEM
from tests.unit.dashboard.web_rig import Web, web

ROOT = Path(__file__).resolve().parents[3]
SAID = (r'"error_code": "(\w+)"', r'return \{"reason": "(\w+)"', r'\breason = "(\w+)"', r'verdict=REJECTED, reason="(\w+)"')


def newest(house: Web, language: str) -> dict[str, Any]:
    """The newest error as `/dashboard.json` tells it."""
    errors = house.local().get("/dashboard.json", headers={"Accept-Language": language}).get_json()["recent_errors"]
    found: dict[str, Any] = errors[0]
    return found


def record(house: Web, action: str, subject: str, body: dict[str, Any]) -> None:
    """A failure in the log."""
    with house.store.transaction():
        house.store.record(action, subject, body, SYSTEM, 1.0, outcome="failure")


def test_lost_worker_is_told_in_the_language_that_is_asked_for(house: Web) -> None:
    record(house, "worker:lost", "slot:0", {"worker_id": "w1", "cause": "exited", "kill_cause": "heartbeat_lost", "job_id": None})
    error = newest(house, "en")
    assert (error["code"], error["message"]) == (
        "heartbeat_lost", "The worker of slot 0 was lost: no heartbeat. Another one takes its place.",
    )  # fmt: skip
    assert newest(house, "zh-CN,zh;q=0.9")["message"].startswith("槽位 0 的工作进程丢失：心跳丢失")
    chosen = house.local().get("/dashboard.json?lang=zh").get_json()["recent_errors"][0]
    assert chosen["message"].startswith("槽位 0") and chosen["code"] == "heartbeat_lost"


def test_failed_job_has_its_own_words_in_english_and_those_of_its_code_in_chinese(house: Web) -> None:
    job = house.job()
    house.move(job, "QUEUED", "FAILED", error_code="out_of_memory", error_message="3 GiB were missing.", error_hint="Wait.")
    english, chinese = newest(house, "en"), newest(house, "zh-CN")
    assert (english["code"], english["message"], english["hint"]) == ("out_of_memory", "3 GiB were missing.", "Wait.")
    assert (chinese["message"], chinese["hint"]) == (
        catalogue("zh-CN")["problem.out_of_memory"], catalogue("zh-CN")["way_out.out_of_memory"],
    )  # fmt: skip
    page = house.local().get(f"/dashboard/jobs/{job}?lang=zh").get_data(as_text=True)
    assert catalogue("zh-CN")["problem.out_of_memory"] in page and "3 GiB" not in page
    figures = house.person("reader").get(f"/dashboard/jobs/{job}/figures").get_data(as_text=True)
    assert "3 GiB were missing." in figures and catalogue("en")["job.none_made"] in figures


@pytest.mark.parametrize(
    ("action", "subject", "body", "part"),
    [
        ("vault:lost", "vault:0", {}, "Vault 0 was lost"),
        ("role:refused", "file:roles.yaml", {"message": "line 3"}, "roles.yaml were not loaded: line 3"),
        ("worker:quarantined", "slot:1", {"strikes": 3, "until": 5.0}, "Slot 1 lost 3 workers in a row"),
        ("timetable:failed", "timetable:sample", {"error": "no probe"}, "sample failed: no probe"),
        ("audit:head-rebuilt", "audit", {"seq": 3}, "made anew"),
    ],
)
def test_every_kind_of_failure_is_a_sentence(house: Web, action: str, subject: str, body: dict[str, Any], part: str) -> None:
    record(house, action, subject, body)
    error = newest(house, "en")
    assert part in error["message"]
    assert error["code"] == action.replace(":", "_").replace("-", "_")
    assert newest(house, "zh")["message"] != error["message"]


def test_failure_that_nobody_has_words_for_still_says_what_it_knows(house: Web) -> None:
    record(house, "disk:low", "disk", {"message": "nearly full"})
    assert newest(house, "en")["message"] == "disk low: nearly full"


def test_every_preset_is_offered_in_both_languages(house: Web) -> None:
    page = house.local().get("/submit").get_data(as_text=True)
    for name, preset in PRESETS.items():
        assert f'<option value="{name}">' in page and preset.size in page
        assert all(f"preset.{name}" in catalogue(language) for language in LANGUAGES)


def test_form_says_what_becomes_of_a_job_that_does_not_fit(house: Web) -> None:
    page = house.local().get("/submit").get_data(as_text=True)
    assert all(f'<option value="{value}">' in page for value in ("allow", "never"))
    assert catalogue("en")["submit.degrade_ask"] in page


def test_form_offers_no_picture_that_processors_alone_cannot_make() -> None:
    cpu, gpu = {"slot": 0, "device": "cpu"}, {"slot": 1, "device": "gpu0"}
    offered = [preset.name for preset in PRESETS.values() if is_made_here(preset, [cpu])]
    assert offered == ["pocket", "preview"]
    for slots in ([], [gpu], [cpu, gpu], [{"slot": 0, "device": None}]):
        assert all(is_made_here(preset, slots) for preset in PRESETS.values())


def test_fault_is_told_by_what_it_means(house: Web) -> None:
    record(house, "fault:detected", "slot:0", {"fault": "hung_step", "heal": "h2", "cause": "lease_expired"})
    error = newest(house, "en")
    assert error["code"] == "hung_step"
    assert error["message"].startswith(catalogue("en")["fault_means.hung_step"])


def test_audit_page_shows_points_in_time_as_times(house: Web) -> None:
    with house.store.transaction():
        house.store.record("login:created", "user:reader", {"expires_at": 1795248000.5, "seconds": 30}, SYSTEM, 1.0)
    page = house.person("olga", "ops").get("/dashboard/audit/?action=login:created").get_data(as_text=True)
    assert "1795248000" not in page
    assert 'datetime="2026-11-21T08:00:00Z"' in page
    assert '<dt title="seconds">seconds</dt><dd>30</dd>' in page


def test_audit_page_speaks_the_readers_language_and_takes_times_of_the_studios_zone(tmp_path: Path) -> None:
    with web(tmp_path, zone="Asia/Shanghai") as house:
        with house.store.transaction():
            house.store.record("worker:lost", "slot:0", {"kill_cause": "heartbeat_lost", "slot": 0}, SYSTEM, 1795248000.0)
        client = house.person("olga", "ops")
        asked = "/dashboard/audit/?lang=zh&action=worker:lost&since=2026-11-21 16:0"  # the row's time there is 16:00
        found, later = (client.get(asked + minute).get_data(as_text=True) for minute in "01")
        assert "终止原因 心跳丢失" in found
        assert "since=2026-11-21T08%3A00%3A00.000000Z" in found, "exports are asked for in UTC"
        assert "终止原因 心跳丢失" not in later


def test_every_way_in_which_a_job_can_end_badly_has_its_words_in_both_languages() -> None:
    """Codes of the engine, of admission and of the core, as they stand in the code."""
    codes: set[str] = set()
    for path in (ROOT / "scheduler" / "core").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        codes |= {code for kind in SAID for code in re.findall(kind, text)}
    for base in ("engine/errors.py", "engine/vault", "engine/fake.py"):
        found = ROOT / base
        for path in [found] if found.is_file() else found.glob("*.py"):
            codes |= set(re.findall(r'^    code = "(\w+)"', path.read_text(encoding="utf-8"), re.M))
    assert {"session_roles", "quota_spent", "vault_full", "poison_job"} <= codes
    for language in LANGUAGES:
        words = catalogue(language)
        lacking = {code for code in codes if f"problem.{code}" not in words and f"problem.job.{code}" not in words}
        assert not lacking, (language, lacking)


def test_rejected_job_says_on_its_page_what_admission_said(house: Web) -> None:
    text = {"en": "Role guest may not share a session with teacher (j1).", "zh": "角色 guest 不能与 teacher（j1）处于同一会话。"}
    job = {"state": "REJECTED", "error_code": "session_roles", "error_message": text["en"], "error_hint": None}
    with house.app.test_request_context(headers={"Accept-Language": "zh"}):
        told = job_problem(job, text)
        assert told == {"message": text["zh"], "hint": ""}, "the sentence has the way out"
        listed = told_failure(job)
        assert "会话" in listed["error_message"] and "session" not in listed["error_message"]
        assert "单独提交" in listed["error_hint"]
        assert told_failure({"error_code": "vault_lost", "error_message": "The vault does not answer."})["error_message"] == (
            "制作期间常驻仓丢失。"
        )
        assert told_failure({"error_code": None, "error_message": None}) == {}
    with house.app.test_request_context():
        assert told_failure(job) == {"error_message": text["en"], "error_hint": ""}
