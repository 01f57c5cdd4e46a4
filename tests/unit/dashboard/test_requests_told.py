"""Requests that are refused are told in Chinese without a word of English: what people meet daily at the form."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dashboard.refusals import told
from engine.config import Recipe, Settings, fit_size, preset_named
from engine.errors import SettingsError
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
