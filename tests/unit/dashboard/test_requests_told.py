"""Requests that are refused are told in Chinese without a word of English: what people meet daily at the form."""

from __future__ import annotations

import ast
import html
import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dashboard.api import plans
from dashboard.pulse import Beat
from dashboard.refusals import told
from dashboard.uploads import told_warning
from dashboard.verification import verdict_words
from engine.config import Recipe, Settings, fit_size, preset_named
from engine.errors import SettingsError
from engine.media import probe
from scheduler.audit import SYSTEM
from tests.unit.dashboard.web_rig import Web

ENGLISH = re.compile(r"[A-Za-z]+ [a-z]+ [a-z]+")
ASK = {"Accept-Language": "zh-CN", "Accept": "application/json"}


@pytest.mark.parametrize(
    ("context", "words"),
    [
        ({}, "还缺少：topic。"),
        ({"topic": "x", "colour": "red"}, "没有变量“colour”。可用变量："),
        ({"topic": True}, "变量“topic”不可用：须为文本。"),
        ({"topic": "x" * 501}, "有 501 个字符，最多 500 个"),
        ({"topic": "a\u0007b"}, "含有控制字符 U+0007"),
        ({"topic": "x" * 5000}, "过长，最多 4096 字节"),
        ({"topic": 1e300}, "数字过大"),
    ],
)
def test_words_of_a_video_that_do_not_fit_are_told(house: Web, context: dict[str, Any], words: str) -> None:
    answer = house.local().post("/roles/teacher/preview", json={"context": context}, headers=ASK).get_json()["error"]
    assert words in answer["message"] and not answer["hint"], answer
    assert not ENGLISH.search(answer["message"])


@pytest.mark.parametrize(
    ("body", "field", "known"),
    [
        ({"items": [{"name": "a", "request": {}, "role": "teacher"}]}, "items.0.role", "name, request"),
        ({"files": [{"name": "a", "txt": ""}]}, "files.0.txt", "name, text"),
        ({"item": []}, "item", "files, items, brought"),
    ],
)
def test_unknown_field_is_told_the_fields_of_its_own_place(house: Web, body: dict[str, Any], field: str, known: str) -> None:
    error = house.local().post("/jobs/batch/check", json=body).get_json()["error"]
    assert (error["code"], error["field"], error["hint"]) == ("unknown_field", field, f"Known: {known}.")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b'{"role": "x",}', "第 1 行第 14 个字符附近"), (b'{"role": "x", "role": "y"}', "键“role”重复"),
        (b'{"steps": NaN}', "NaN 不是数字"),
        (b'{"role": "\\ud800"}', "UTF-8"), (b"\xff", "UTF-8"), (b"[" * 100_000, "嵌套过深"), (b"[]", "须为 JSON 对象"),
    ],
)  # fmt: skip
def test_body_that_is_no_json_is_told_with_its_place(house: Web, raw: bytes, words: str) -> None:
    answer = house.local().post("/jobs", data=raw, content_type="application/json", headers=ASK).get_json()["error"]
    assert words in answer["message"] and not ENGLISH.search(answer["message"]), answer


@pytest.mark.parametrize(
    "address",
    [
        "/jobs?state=odd",
        "/jobs?verdict=odd",
        "/jobs?sort=odd",
        "/jobs?page=0",
        "/jobs?per_page=9999",
        "/jobs?page=1&page=2",
        "/jobs?colour=red",
        "/dashboard/audit/?since=soon",
        "/dashboard/watermark/?range=2h",
        "/dashboard/watermark/?to=2026-11-21",
        "/dashboard/watermark/?from=2026-11-21T10:00&to=2026-11-21T09:00",
        "/dashboard/plan/?day=soon",
        "/jobs/j1/log?level=loud",
    ],
)
def test_address_that_asks_for_what_is_not_there_is_told(house: Web, address: str) -> None:
    answer = house.person("olga", "admin").get(address, headers=ASK)
    message = answer.get_json()["error"]["message"]
    assert (
        answer.status_code in (404, 422) and re.search(r"[\u4e00-\u9fff]", message) and not ENGLISH.search(message)
    ), message


REFUSED: tuple[dict[str, Any], ...] = (
    {"size": "1*1"}, {"steps": 9}, {"infer_frames": 0}, {"infer_frames": 13}, {"clips": 0}, {"seed": -1}, {"solver": "unipc"},
    {"solver": "odd"}, {"guide_scale": 2.0}, {"colour": "red"},
)  # fmt: skip


def _settings_errors() -> list[SettingsError]:
    found = []
    for wrong in REFUSED:
        with pytest.raises(SettingsError) as caught:
            Settings.from_preset("preview", **wrong)
        found.append(caught.value)
    for make in (
        lambda: preset_named("fancy"), lambda: Recipe.from_json({"version": 0}), lambda: Recipe.from_json({"version": 1}),
        lambda: fit_size("384*256", 100_000, 10),
    ):  # fmt: skip
        with pytest.raises(SettingsError) as caught:
            make()
        found.append(caught.value)
    return found


def test_every_setting_that_is_refused_is_told(house: Web) -> None:
    with house.app.test_request_context(headers=ASK):
        for error in _settings_errors():
            message, hint = told(error.code, str(error), error.field, error.hint, **error.data)
            assert not hint and re.search(r"[\u4e00-\u9fff]", message) and not ENGLISH.search(message), (error, message)


def test_readiness_and_its_reasons_are_told(house: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = house.local().get("/readyz", headers=ASK).get_json()
    assert answer["error"]["code"] == "daemon_silent" and answer["error"]["message"].startswith("调度进程还没有响应")
    busy = Beat(time.time(), {"slots": [{"state": "busy"}]})
    monkeypatch.setattr(type(house.house.pulse), "last", property(lambda self: busy))
    monkeypatch.setattr(type(house.house.reads.store), "running", lambda self: [{"started_at": 1.0, "submitted_at": 1.0}])
    monkeypatch.setattr(type(house.house.reads.store), "last_block_at", lambda self: time.time() - 5)
    said = re.match(r"最近一次进展在 (\d+)\.\d", house.local().get("/readyz", headers=ASK).get_json()["message"])
    assert said is not None and 5 <= int(said[1]) < 60
    monkeypatch.setattr(type(house.house.reads.store), "last_block_at", lambda self: 1.0)
    late = house.local().get("/readyz", headers=ASK).get_json()["error"]
    assert late["code"] == "no_block" and "没有完成任何块" in late["message"] and not late["hint"]
    monkeypatch.setattr(type(house.house.reads.store), "running", lambda self: [])
    monkeypatch.setattr(type(house.house.reads.store), "last_block_at", lambda self: None)
    assert house.local().get("/readyz", headers=ASK).get_json()["reason"] == "idle", "its job has ended since"


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"code": 0, "rows": 7, "seq": 7}, "7 行完好，至第 7 行。"), ({"code": 20, "rows": 2, "broken_seq": 3}, "第 3 行已损坏"),
        ({"code": 21, "rows": 7}, "与链头不符"),
        ({"code": 22, "rows": 7, "seq": 7, "head_seq": 9}, "链头在第 9 行，只有到第 7 行"),
    ],
)
def test_what_a_verification_found_is_told(house: Web, figures: dict[str, int], words: str) -> None:
    with house.app.test_request_context(headers=ASK):
        assert words in verdict_words({"message": "said in English", **figures})
        assert verdict_words({"verdict": "an older row"}) == "an older row"
    with house.app.test_request_context():
        assert verdict_words({"message": "said in English", **figures}) == "said in English"


def test_refused_files_are_told_on_their_pages_and_in_the_log(house: Web) -> None:
    problem = {
        "line": 3, "column": 1, "path": "lease", "message": "policy field 'lease' is unknown.", "hint": "Did you mean lease_s?",
        "code": "misspelt_key", "data": {"named": "lease", "key": "lease", "guess": "lease_s"},
    }  # fmt: skip
    body = {"message": "line 3: policy field 'lease' is unknown. Did you mean lease_s?", "problems": [problem]}
    with house.store.transaction():
        house.store.record("policy:refused", "policy", body, SYSTEM, 1.0, outcome="failure")
        house.store.record("role:refused", "file:roles.yaml", body, SYSTEM, 2.0, outcome="failure")
    client, said = house.person("olga", "ops"), "第 3 行：不认识“lease”。是否想写“lease_s”？"
    for address in ("/dashboard/policy?lang=zh", "/dashboard/audit/?lang=zh", "/dashboard?lang=zh"):
        page = client.get(address).get_data(as_text=True)
        assert said in page and "Did you mean" not in page, address
    english = html.unescape(client.get("/dashboard/policy?lang=en").get_data(as_text=True))
    assert "line 3, column 1: lease: policy field" in english


def test_entry_of_a_plan_that_would_be_refused_says_why_to_those_who_may_read_words(
    house: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = {"code": "missing_variable", "field": "context.topic", "data": {"missing": ["topic"], "known": "topic, tone"}}
    data = {"entry": 1, "code": "refused", "why": why}
    check = {"name": "plan 1", "state": "bad", "text": "it would be refused: The prompt needs topic.", "data": data}
    for may, words in ((True, "提交会被拒绝：提示词还缺少：topic。"), (False, "提交会被拒绝")):
        monkeypatch.setattr(plans, "caller", lambda may=may: SimpleNamespace(may=lambda right: may))
        (shown,) = plans.shown_report({"checks": [check]})["checks"]
        assert shown["zh"].startswith(words) and ("why" in shown["data"]) is may


def _text(node: ast.expr) -> str:
    """A text of the probe's code; figures in it are its constants."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return f"{getattr(probe, ast.unparse(node.value)):g}"
    return str(ast.literal_eval(node))


def test_every_warning_about_a_file_has_its_words(house: Web) -> None:
    source = (Path(probe.__file__)).read_text(encoding="utf-8")
    tables = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assign)
              and ast.unparse(node.targets[0]) == "warnings" and isinstance(node.value, ast.Dict)]  # fmt: skip
    said = [_text(key) for table in tables for key in table.keys if key]
    assert len(said) > 10
    with house.app.test_request_context(headers=ASK):
        for text in said:
            words = told_warning(f"teacher.image: {text}")
            assert words.startswith("teacher.image：") and text not in words, text
    with house.app.test_request_context():
        assert told_warning("teacher.image: dark") == "teacher.image: dark"
