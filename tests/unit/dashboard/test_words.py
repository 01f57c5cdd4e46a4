"""Both languages have every word, no template and no script says anything of its own, and figures read well."""

from __future__ import annotations

import re
import string
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dashboard import formats
from dashboard.formats import milliseconds
from dashboard.i18n import LANGUAGES, catalogue
from scheduler.core.fleet import WorkerState
from scheduler.core.healing_policy import Fault
from scheduler.core.job import HoldReason, JobState
from scheduler.core.role_problem import RoleProblem
from scheduler.core.tags import Tag
from tests.unit.dashboard.web_rig import Web

ROOT = Path(__file__).resolve().parents[3]
TEMPLATES = sorted(path for path in (ROOT / "templates").rglob("*.html"))
SCRIPTS = sorted((ROOT / "dashboard" / "static" / "js").glob("*.js"))
_KEY = re.compile(r"""(?<![\w.])t\(\s*["']([a-z][\w.:-]*)["']""")
_JINJA = re.compile(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", re.DOTALL)
_DATA = re.compile(r"\{% block (?:rooms|page_name) %\}.*?\{% endblock %\}")  # for scripts, not for people
# names, forms of files and commands
_OWN = {"Greenroom", "YAML", "CSV", "role_scheduler login-link --user NAME --group user", "video.mp4", "/openapi.json"}


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_have_the_same_words_with_the_same_data() -> None:
    english, chinese = (catalogue(language) for language in LANGUAGES)
    assert set(english) == set(chinese)
    assert all(text.strip() for words in (english, chinese) for text in words.values())
    differing = [key for key in english if _fields(english[key]) != _fields(chinese[key])]
    assert not differing, differing


def test_no_word_leaves_it_to_the_reader_whether_it_is_one_or_many() -> None:
    assert not [key for key, text in catalogue("en").items() if "(s)" in text]


def test_chinese_is_translated() -> None:
    english, chinese = (catalogue(language) for language in LANGUAGES)
    same = {key for key in english if english[key] == chinese[key]} - {"app.name"}
    assert not same, same


@pytest.mark.parametrize("path", [*TEMPLATES, *SCRIPTS], ids=lambda path: path.name)
def test_every_used_word_exists(path: Path) -> None:
    used = set(_KEY.findall(path.read_text(encoding="utf-8")))
    assert used <= set(catalogue("en")), used - set(catalogue("en"))


def test_every_state_hold_and_tag_has_words() -> None:
    words = catalogue("en")
    for prefix, values in (("state", JobState), ("hold", HoldReason), ("action", Tag), ("role.problem", RoleProblem)):
        missing = [value for value in values if f"{prefix}.{value}" not in words]
        assert not missing, missing
    assert {"starting", "ready", "busy"} <= {str(state).lower() for state in WorkerState}


def test_every_cause_that_the_scheduler_writes_has_words() -> None:
    said = re.compile(r"""["']?cause["']?(?:: | *= ?)["']([a-z_]+)["']""")
    causes = {cause for path in (ROOT / "scheduler" / "core").rglob("*.py") for cause in said.findall(path.read_text("utf-8"))}
    causes |= set(Fault)  # the cause of an offer is the fault that it is to heal
    missing = {cause for cause in causes if f"cause.{cause}" not in catalogue("en")}
    assert causes and not missing, missing


class _Texts(HTMLParser):
    """Collects what a template would say in its own words."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Attributes that people read."""
        self._inside.append(tag)
        for name, value in attrs:
            if name in ("title", "alt", "aria-label") or (name == "placeholder" and ":" not in (value or "")):
                self._take(value or "")

    def handle_endtag(self, tag: str) -> None:
        """Leave the tag."""
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        """Text between tags."""
        if not {"code", "script"} & set(self._inside):
            self._take(data)

    def _take(self, text: str) -> None:
        text = " ".join(text.split())
        if text not in _OWN and re.search(r"[A-Za-z]{2,}|[\u4e00-\u9fff]", text) and text not in ("中文", "English", "csv"):
            self.said.append(text)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_says_anything_of_its_own(path: Path) -> None:
    parser = _Texts()
    parser.feed(_JINJA.sub("", _DATA.sub("", path.read_text(encoding="utf-8"))))
    assert not parser.said, parser.said


def test_language_is_chosen_asked_for_or_english(house: Web) -> None:
    client = house.local()
    assert b'lang="en"' in client.get("/dashboard").data
    assert b'lang="zh-CN"' in client.get("/dashboard", headers={"Accept-Language": "zh-CN,zh;q=0.9"}).data
    assert b'lang="zh-CN"' in client.get("/dashboard?lang=zh-CN").data
    answer = client.post("/language", data={"language": "zh-CN", "next": "/submit"})
    assert answer.headers["Location"] == "/submit"
    assert b'lang="zh-CN"' in client.get("/dashboard").data
    assert client.post("/language", data={"language": "xx", "next": "//evil.example"}).headers["Location"] == "/dashboard"


def test_figures_read_well() -> None:
    assert [formats.duration(value) for value in (None, 0.4231, 12.4, 65, 3725)] == ["–", "0.42 s", "12 s", "1:05", "1:02:05"]
    assert [formats.size(value) for value in (None, 0, 999, 1023_500, 5 << 30, 22 << 30, 200 << 30)] == [
        "–", "0 B", "999 B", "1000 KiB", "5.00 GiB", "22.0 GiB", "200 GiB",
    ]  # fmt: skip
    assert formats.percent(41.6) == "42 %"
    assert formats.clock("2020-01-02T03:04:05.000000Z", formats.zone_of("Asia/Shanghai")) == "2020-01-02 11:04:05"
    assert formats.utc(0) == "1970-01-01T00:00:00Z"
    assert formats.offset_minutes(formats.zone_of("Asia/Shanghai")) == 480


def test_times_of_events_are_written_as_people_say_them() -> None:
    assert [milliseconds(value) for value in (0, 147.9, 999, 3685.2, 37823.0, 185_000.0)] == [
        "0 ms", "148 ms", "999 ms", "3.69 s", "38 s", "3:05",
    ]  # fmt: skip
