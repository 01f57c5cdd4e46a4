"""Errors answer in the reader's language: a code that can reach a page has a Chinese sentence with everything that it needs."""

from __future__ import annotations

import ast
import string
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.i18n import catalogue
from dashboard.pulse import Beat
from dashboard.refusals import chinese
from engine import errors as engine_errors
from scheduler.prompts.remark import REMARKS
from tests.unit.dashboard.web_rig import Web

ROOT = Path(__file__).resolve().parents[3]
# What people meet at a terminal only, never through a page.
NOT_HERE = {"scheduler/cli", "scheduler/chaos", "scheduler/demo.py", "scheduler/simulation"}
RAISES = {"WebError", "SchedulerError", "no_seat", "bad_request", "refuse", "_refused", "StoreConflict", "conflict"}
_GENERAL = {"said", "field"}  # every error has them


def _raised() -> Iterator[tuple[str, str, set[str]]]:
    """(code, where, names of its data) of every error that the web or what it asks can raise."""
    for base in ("dashboard", "scheduler"):
        for path in sorted((ROOT / base).rglob("*.py")):
            if any(str(path.relative_to(ROOT)).startswith(part) for part in NOT_HERE):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in RAISES:
                    for code in _codes(node):
                        yield code, f"{path.relative_to(ROOT)}:{node.lineno}", {word.arg for word in node.keywords if word.arg}


def _codes(call: ast.Call) -> Iterator[str]:
    places = [] if ast.unparse(call.func) == "bad_request" else call.args[:2]  # that one takes its code by name only
    for given in [*places, *(word.value for word in call.keywords if word.arg == "code")]:
        if isinstance(given, ast.Constant) and isinstance(given.value, str) and given.value.isidentifier():
            yield given.value


def _needs(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name} - _GENERAL


def test_every_code_that_can_reach_a_page_is_told_in_chinese() -> None:
    known = set(chinese()) | {key.removeprefix("fail.") for key in catalogue("zh-CN") if key.startswith("fail.")}
    missing = {code: where for code, where, _ in _raised() if code not in known}
    engine = {kind.code for kind in vars(engine_errors).values() if isinstance(kind, type) and hasattr(kind, "code")}
    assert not missing and not engine - known, (missing, engine - known)


def test_chinese_sentence_asks_for_no_figure_that_its_error_lacks() -> None:
    given: dict[str, list[set[str]]] = defaultdict(list)
    for code, _, data in _raised():
        given[code].append(data)
    for key, text in chinese().items():
        code, _, problem = key.partition(".")
        if code == "remark" or (code == "bad_field" and problem):  # tested below; the library's own bounds
            continue
        assert any(_needs(text) <= data for data in [set(), *given[code]]), (key, _needs(text))


def test_every_remark_is_told_in_chinese_with_the_figures_it_has() -> None:
    told = {key.removeprefix("remark."): text for key, text in chinese().items() if key.startswith("remark.")}
    assert set(told) == set(REMARKS)
    assert all(_needs(text) <= _needs(REMARKS[code]) | {"because_zh"} for code, text in told.items())


def test_error_is_told_in_the_language_that_is_asked_for(house: Web) -> None:
    client, ask = house.local(), {"Accept-Language": "zh-CN,zh;q=0.9", "Accept": "application/json"}
    english = client.get("/jobs/nope").get_json()["error"]
    told = client.get("/jobs/nope", headers=ask).get_json()["error"]
    assert (told["code"], told["field"]) == (english["code"], english["field"]) == ("unknown_job", "id")
    assert told["message"] == chinese()["unknown_job"] and "no job" in english["message"]
    page = client.get("/dashboard/jobs/nope?lang=zh", headers={"Accept": "text/html"}).get_data(as_text=True)
    assert chinese()["unknown_job"] in page and "There is no job" not in page
    client.set_cookie("language", "zh-CN")  # what a page's own requests carry
    assert client.get("/jobs/nope").get_json()["error"]["message"] == chinese()["unknown_job"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"role": "teacher", "priority": "high"}, "“priority”须为整数。"),
        ({"rolle": "teacher"}, "没有“rolle”这一项，请删去或改正拼写。"),
    ],
)
def test_value_that_does_not_fit_is_told_with_its_bounds(house: Web, body: dict[str, str], told: str) -> None:
    answer = house.local().post("/jobs", json=body, headers={"Accept-Language": "zh"})
    assert answer.get_json()["error"]["message"] == told


def test_preview_of_a_prompt_names_what_looks_wrong_and_what_is_not_read(house: Web) -> None:
    client, wish = house.local(), {"context": {"topic": "a mask " + "and a story " * 20}}
    house.house.pulse._last = Beat(1.0, {"daemon": {"model": "pocket"}})
    english = client.post("/roles/teacher/preview", json=wish).get_json()
    told = client.post("/roles/teacher/preview", json=wish, headers={"Accept-Language": "zh"}).get_json()
    assert [one["code"] for one in told["remarks"]] == ["caution", "prompt_cut"]
    assert "“mask”: the mouth must be visible" in english["warnings"][0] and "103 bytes" in english["warnings"][1]
    assert told["warnings"][0].startswith("“mask”：嘴部须可见") and "103 字节" in told["warnings"][1]
