"""Errors answer in the reader's language: a code that can reach a page has a Chinese sentence with everything that it needs."""

from __future__ import annotations

import ast
import re
import string
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.i18n import catalogue
from dashboard.pulse import Beat
from dashboard.refusals import told
from engine import errors as engine_errors
from engine.errors import MediaError
from engine.media.picture import load_picture
from scheduler.plan.file import PlanError, load_plan
from scheduler.prompts.remark import REMARKS, remark_in_chinese
from scheduler.refusal_words import chinese
from tests.unit.dashboard.web_rig import Web

ROOT = Path(__file__).resolve().parents[3]
# What people meet at a terminal only, never through a page.
NOT_HERE = {"scheduler/cli", "scheduler/chaos", "scheduler/demo.py", "scheduler/simulation", "scheduler/transport.py"}
AT_THE_START = {"wrong_usage"}  # of the programs: nobody has a page then
RAISES = {
    "WebError",
    "SchedulerError",
    "no_seat",
    "bad_request",
    "refuse",
    "_refused",
    "StoreConflict",
    "conflict",
    "PromptError",
    "BadQuery",
}
_ALWAYS = {"BadQuery": ["bad_query"]}  # errors with a code of their own
_GENERAL = {"field", "lines"}  # every error has the one, and every complaint about a file the other
# Each of these is provoked in a test, here or in test_complaints_told.py and test_requests_told.py.
PROVOKED = {
    "remark", "verified", "no_block", "ready", "line", "value", "bad_media", "bad_adapter", "bad_profile", "bad_json",
    "bad_settings",
}  # fmt: skip


def _raised() -> Iterator[tuple[str, str, set[str]]]:
    """(code, where, names of its data) of every error that the web or what it asks can raise."""
    for base in ("dashboard", "scheduler"):
        for path in sorted((ROOT / base).rglob("*.py")):
            if any(str(path.relative_to(ROOT)).startswith(part) for part in NOT_HERE):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and (name := ast.unparse(node.func).split(".")[-1]) in RAISES:
                    for code in _ALWAYS.get(name, ()) or _codes(node):
                        yield code, f"{path.relative_to(ROOT)}:{node.lineno}", {word.arg for word in node.keywords if word.arg}


def _codes(call: ast.Call) -> Iterator[str]:
    places = [] if ast.unparse(call.func) == "bad_request" else call.args[:2]  # that one takes its code by name only
    if ast.unparse(call.func) == "bad_request" and not any(word.arg == "code" for word in call.keywords):
        yield "bad_request"
    for given in [*places, *(word.value for word in call.keywords if word.arg == "code")]:
        if isinstance(given, ast.Constant) and isinstance(given.value, str) and given.value.isidentifier():
            yield given.value


def _needs(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name} - _GENERAL


def test_every_code_that_can_reach_a_page_is_told_in_chinese() -> None:
    known = set(chinese()) | {key.removeprefix("fail.") for key in catalogue("zh-CN") if key.startswith("fail.")}
    missing = {code: where for code, where, _ in _raised() if code not in known | AT_THE_START}
    engine = {kind.code for kind in vars(engine_errors).values() if isinstance(kind, type) and hasattr(kind, "code")}
    assert not missing and not engine - known, (missing, engine - known)


def test_chinese_sentence_asks_for_no_figure_that_its_error_lacks() -> None:
    given: dict[str, list[set[str]]] = defaultdict(list)
    for code, _, data in _raised():
        given[code].append(data)
    for key, text in chinese().items():
        code, _, problem = key.partition(".")
        if code in PROVOKED or (code == "bad_field" and problem):
            continue
        assert any(_needs(text) <= data for data in [set(), *given[code]]), (key, _needs(text))


def test_every_remark_is_told_in_chinese_with_the_figures_it_has() -> None:
    assert all(_needs(said["zh"]) <= _needs(said["en"]) | {"because_zh"} for said in REMARKS.values())
    assert remark_in_chinese("unset_slots", {"names": ["hair", "mood"]}) == "hair、mood没有填写：模型会在每个视频里各自想象。"
    assert remark_in_chinese("of_another_release", {}) is None


def test_error_is_told_in_the_language_that_is_asked_for(house: Web) -> None:
    client, ask = house.local(), {"Accept-Language": "zh-CN,zh;q=0.9", "Accept": "application/json"}
    english = client.get("/jobs/nope").get_json()["error"]
    here = client.get("/jobs/nope", headers=ask).get_json()["error"]
    assert (here["code"], here["field"]) == (english["code"], english["field"]) == ("unknown_job", "id")
    assert here["message"] == chinese()["unknown_job"] and "no job" in english["message"]
    page = client.get("/dashboard/jobs/nope?lang=zh", headers={"Accept": "text/html"}).get_data(as_text=True)
    assert chinese()["unknown_job"] in page and "There is no job" not in page
    client.set_cookie("language", "zh-CN")  # what a page's own requests carry
    assert client.get("/jobs/nope").get_json()["error"]["message"] == chinese()["unknown_job"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"role": "teacher", "priority": "high"}, "“priority”须为整数。"),
        ({"rolle": "teacher"}, "没有“rolle”这一项，请删去或改正拼写。"),
    ],
)
def test_value_that_does_not_fit_is_told_with_its_bounds(house: Web, body: dict[str, str], words: str) -> None:
    answer = house.local().post("/jobs", json=body, headers={"Accept-Language": "zh"})
    assert answer.get_json()["error"]["message"] == words


def test_preview_of_a_prompt_names_what_looks_wrong_and_what_is_not_read(house: Web) -> None:
    client, wish = house.local(), {"context": {"topic": "a mask " + "and a story " * 20}}
    house.house.pulse._last = Beat(1.0, {"daemon": {"model": "pocket"}})
    english = client.post("/roles/teacher/preview", json=wish).get_json()
    here = client.post("/roles/teacher/preview", json=wish, headers={"Accept-Language": "zh"}).get_json()
    assert [one["code"] for one in here["remarks"]] == ["caution", "prompt_cut"]
    assert "“mask”: the mouth must be visible" in english["warnings"][0] and "103 bytes" in english["warnings"][1]
    assert here["warnings"][0].startswith("“mask”：嘴部须可见") and "103 字节" in here["warnings"][1]


PROBLEMS = {  # who complains about files → where its Chinese sentences are
    "scheduler/yaml_files": "line", "scheduler/plan/file.py": "line", "scheduler/plan/csv_file.py": "line",
    "engine/media": "bad_media",
    "scheduler/batch_file.py": "bad_profile",
}  # fmt: skip


def _complaints(path: Path) -> Iterator[str]:
    """Codes of what can be wrong with a file, as they stand in its code."""
    places = {"Problem": 5, "_error": 4, "_bad": 2}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            at = places.get(ast.unparse(node.func), 99)
            named = [word.value for word in node.keywords if word.arg in ("code", "problem")]
            for given in [*node.args[at : at + 1], *named]:
                if isinstance(given, ast.Constant) and isinstance(given.value, str):
                    yield given.value


def test_every_complaint_about_a_file_is_told_in_chinese() -> None:
    told, found = set(chinese()), set()
    for base, prefix in PROBLEMS.items():
        where = ROOT / base
        for path in [where] if where.is_file() else where.glob("*.py"):
            found |= {f"{prefix}.{code}" for code in _complaints(path)}
    assert len(found) > 40 and found <= told, found - told


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("yaml", "date: someday\nentries:\n  - {role: 3, windw: x, window: soon, count: many, quality: nice, length: long}\n"),
        ("yaml", "entries: [\n"), ("yaml", "a: &b 1\n"), ("yaml", "- {role: teacher}\n"), ("yaml", ""), ("yaml", "entries: 3\n"),
        ("csv", "role,user,window,colour\nteacher,a,10:00-11:00,red\n"), ("csv", 'role,"user\n'), ("csv", "role,role\na,b\n"),
    ],
)  # fmt: skip
def test_mistakes_in_a_plan_are_told_line_by_line_in_the_readers_language(house: Web, kind: str, text: str) -> None:
    with pytest.raises(PlanError) as caught:
        load_plan(text, kind)
    error = caught.value
    with house.app.test_request_context(headers={"Accept-Language": "zh"}):
        message, hint = told(error.code, error.message, error.field, error.hint, **error.data)
    assert not hint and message.count("第 ") >= len(error.problems), "every one of them"
    assert not re.search(r"[a-z]+ [a-z]+ [a-z]+", message), message
    with house.app.test_request_context():
        assert told(error.code, error.message, error.field, error.hint, **error.data)[0].count("line ") >= len(error.problems)


def test_damaged_profile_and_file_are_told_in_chinese_with_the_way_out(house: Web, tmp_path: Path) -> None:
    client, ask = house.local(), {"Accept-Language": "zh"}
    bad = tmp_path / "face.png"
    bad.write_bytes(b"no picture at all")
    with pytest.raises(MediaError) as caught:
        load_picture(bad)
    with house.app.test_request_context(headers=ask):
        assert "PNG、JPEG" in told("bad_media", str(caught.value), "portrait", caught.value.hint, **caught.value.data)[0]
    wish = {"files": [{"name": "a.json", "text": '{"role" "x"}\n{"role" "y"}'}]}
    items = client.post("/jobs/batch/check", json=wish, headers=ask).get_json()
    assert "JSON" in str(items) and "第 2 行" in str(items), items
