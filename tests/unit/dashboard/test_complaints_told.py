"""Complaints about files that people write: every one has a code, and every code a Chinese sentence with the figures it needs."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dashboard.refusals import told, told_line
from scheduler.errors import SchedulerError
from scheduler.policy_file import for_slots, read_policy_at
from scheduler.prompts.variables import KINDS
from scheduler.refusal_words import chinese
from scheduler.registry import RolesError, load_roles
from tests.unit.dashboard.web_rig import Web

ROOT = Path(__file__).resolve().parents[3]
ENGLISH = re.compile(r"[A-Za-z]+ [a-z]+ [a-z]+")
NOT_HERE = (
    "scheduler/cli",
    "scheduler/chaos",
    "scheduler/demo.py",
    "scheduler/simulation/trace.py",
    "scheduler/door_server.py",
)

# Who complains → (place of the code among the arguments, its keyword, the prefix of its sentence).
COMPLAINTS = {
    "complain": (99, "code", "line."), "Problem": (5, "code", "line."), "_error": (4, "code", "line."),
    "TemplateError": (3, "code", "line."), "PolicyError": (99, "problem", "line."), "draft.problem": (3, "code", "line."),
    "_problem": (6, "code", "line."), "ValueRefused": (2, "code", "value."),
}  # fmt: skip
SOURCES = ("scheduler/yaml_files", "scheduler/registry", "scheduler/prompts", "scheduler/core", "scheduler/plan",
           "scheduler/costs.py", "scheduler/policy_file.py", "scheduler/role_assets.py")  # fmt: skip
# Codes under which many things can be wrong: each says which by `problem`, or is told by its field.
GENERAL = {"bad_request", "bad_query", "bad_field", "bad_json", "bad_settings", "bad_media", "bad_profile"}
ALWAYS = {"named", "field", "path"}  # a policy's complaint and a line name what they are about by themselves


@dataclass(frozen=True)
class Said:
    """One place in the code that complains."""

    where: str
    key: str | None  # of the sentence; None where it is worked out as the program runs
    given: set[str] | None  # names of its figures; None where they are handed on


def _calls(*bases: str) -> Iterator[tuple[str, ast.Call]]:
    for base in bases:
        found = ROOT / base
        for path in [found] if found.is_file() else sorted(found.rglob("*.py")):
            name = str(path.relative_to(ROOT))
            if not name.startswith(NOT_HERE):
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                    if isinstance(node, ast.Call):
                        yield f"{name}:{node.lineno}", node


def _literal(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _given(call: ast.Call) -> set[str] | None:
    if any(word.arg is None for word in call.keywords):
        return None
    names = {word.arg for word in call.keywords if word.arg}
    if ast.unparse(call.func).endswith("Problem"):
        if len(call.args) > 6 and isinstance(call.args[6], ast.Dict):
            return {text for key in call.args[6].keys if (text := _literal(key))}
        return None if len(call.args) > 6 else set()
    return names


def _complaints() -> Iterator[Said]:
    for where, call in _calls(*SOURCES):
        name = ast.unparse(call.func)
        kind = COMPLAINTS.get(name) or COMPLAINTS.get(name.split(".")[-1])
        if kind is None:
            continue
        place, keyword, prefix = kind
        code = (
            call.args[place]
            if len(call.args) > place
            else {word.arg: word.value for word in call.keywords}.get(keyword)
        )
        if code is None:
            assert name == "turn.problem", f"{where}: a complaint without a code"
        text = _literal(code)
        yield Said(where, None if text is None else f"{prefix}{text}", _given(call))


def _needs(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_complaint_has_a_code_and_every_code_a_chinese_sentence() -> None:
    said = [one for one in _complaints() if one.key]
    assert len({one.key for one in said}) > 70
    for one in said:
        sentences = [text for key, text in chinese().items() if key == one.key or key.startswith(f"{one.key}.")]
        assert one.key in chinese(), one
        lacking = set().union(*map(_needs, sentences)) - ALWAYS - (one.given or set())
        assert one.given is None or not lacking, (one, lacking)


def test_no_chinese_sentence_waits_for_a_complaint_that_nobody_makes() -> None:
    program = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "scheduler").rglob("*.py")))
    waiting = {key.split(".")[1] for key in chinese() if key.startswith(("line.", "value.")) and key.count(".") == 1}
    made = {f"no_{kind}" for kind in KINDS}  # of `Variable.checked`
    assert not {name for name in waiting - made if f'"{name}"' not in program}


def test_what_may_be_wrong_in_many_ways_is_told_by_its_problem_or_its_field() -> None:
    asked = 0
    for where, call in _calls(
        "dashboard", "scheduler", "engine/config.py", "engine/media/untrusted.py", "engine/media/picture.py"
    ):
        words = {word.arg: word.value for word in call.keywords}
        last = ast.unparse(call.func).split(".")[-1]
        codes = [_literal(node) for node in [*call.args[:3], words.get("code")]]
        code = next((text for text in codes if text in GENERAL), None)
        code = {"BadQuery": "bad_query", "SettingsError": "bad_settings", "MediaError": "bad_media"}.get(last, code)
        code = "bad_request" if last == "bad_request" and not {"code"} & set(words) else code
        if code is None or last in ("get", "_error", "told", "startswith") or None in words:
            continue
        asked += 1
        problem = words.get("problem")
        if isinstance(problem, ast.JoinedStr):  # `not_{type}`
            assert any(key.startswith(f"{code}.{_literal(problem.values[0])}") for key in chinese()), where
            continue
        if isinstance(problem, ast.Name):
            continue  # walked below
        fields = [*ast.walk(words["field"])] if "field" in words else []  # also `one if … else another`
        keys = {f"{code}.{text}" for node in [problem, *fields, *call.args[:2]] if (text := _literal(node))}
        assert keys & set(chinese()), (where, keys)
    assert asked > 50


def test_no_chinese_sentence_quotes_the_english_one() -> None:
    assert not [key for key, text in chinese().items() if "{said}" in text]
    without = re.compile(r"\{+.*?\}+|role_scheduler [a-z -]+")  # figures and commands
    assert not {key: text for key, text in chinese().items() if ENGLISH.search(without.sub("", text))}


ROLE = 'teacher: {{image: "a.png", audio: "a.wav", prompt_template: "{template}", priority: 10{more}}}\n'
TEMPLATES = """
{role_prompt}
{a b}
{% for x in y %}{% endfor %}
{{ _x }}
{{ x | sum }}
{{ x | upper(a=1) }}
{{ x | default }}
{{ x | round(9) }}
{{ x | upper(1) }}
{% if x is odd %}{% endif %}
{{ }}
{{ x.y }}
"""
MORE = """
preset: fancy
style_file: none-such
style: none-such
defaults: {nobody: 1}
defaults: 3
title: 3
variables: {a: {type: colour}}
variables: {a: {type: choice, choices: [b]}}
variables: {a: {type: number, min: 3, max: 1}}
variables: {a: {type: number, max_length: 3}}
variables: {"a b": string}
variables: {a: {default: 1}}, defaults: {a: 2}
variables: {a: {type: number, default: x}}
variables: {a: {type: number, min: 2, default: 1}}
variables: {a: {type: number, max: 2, default: 3}}
variables: {a: {type: choice, choices: [b, c], default: d}}
variables: {a: {type: choice, choices: [b, c], default: true}}
variables: {a: {type: number, default: true}}
variables: {a: {type: number, default: 1e300}}
variables: {a: {max_length: 1, default: long}}
variables: {a: {default: [1]}}
variables: {a: {default: "\\x07"}}
relations: {with: [teacher, nobody]}
relations: {with: 3, never_with: [1]}
adapter: 3
adapter: [a, b, c, d, e]
adapter: {weight: 1}
adapter: ../../x
adapter: nowhere.safetensors
adapter: .
adapter: ""
"""
FILES = (
    "", "- a\n", "Öl: {}\n", "7: {}\n", "teacher: {colour: 1, lora: x}\n",
    "teacher: {priority: high, sla: {start_within_s: x}}\n",
    "teacher: {image: ../x.png, audio: nowhere.wav}\n", "a: [\n", "a: *b\n", "? [x]\n: 1\n",
    "".join(f"role{number}: {{}}\n" for number in range(501)),
    ROLE.format(template="x" * 4001, more=""), ROLE.format(template="{% if " + "not " * 40 + "x %}{% endif %}", more=""),
    ROLE.format(template="Hi", more=f", title: {'x' * 99}"),
    ROLE.format(template="Hi", more=f", variables: {{{', '.join(f'a{number}: string' for number in range(60))}}}"),
    ROLE.format(template="Hi", more=f", variables: {{a: {{max_length: 4000, default: {'x' * 4097}}}}}"),
    ROLE.format(template="Hi", more=", relations: {with: [guide]}")
    + ROLE.format(template="Hi", more=", relations: {never_with: [teacher]}").replace("teacher:", "guide:", 1),
)  # fmt: skip
ROLES = (
    *FILES,
    *(ROLE.format(template=line, more="") for line in TEMPLATES.split("\n")[1:-1]),
    *(ROLE.format(template="Hi", more=f", {line}") for line in MORE.split("\n")[1:-1]),
)
POLICIES = """
- 1
a: [
lease: 5
colour: 1
lease_s: soon
max_crashes: 2.5
max_crashes: 0
ordering: any
ageing_ceiling: 100
affinity_points: 1000
team_weights: 3
team_weights: {a: 0}
maintenance_windows: 3
maintenance_windows: [someday]
maintenance_windows: [sat 03:00-04:30 slots 9]
faults: 3
faults: {fire: 1}
faults: {stutter: 3}
faults: {stutter: {action: pray}}
faults: {stutter: {x: 1}}
faults: {stutter: {below_ratio: 2}}
faults: {stutter: {recovered_ratio: 0.1}}
faults: {gpu_error: {codes: x}}
faults: {memory_high: {return_below_ratio: 0.99}}
faults: {disk_low: {return_above_bytes: 1}}
simulation: 3
simulation: {x: 1}
simulation: {presets: 1}
simulation: {presets: {hd: -1}}
quality: 3
quality: {x: 1}
quality: {measure: 1}
quality: {timeout_s: 0}
quality: {catch_up: 1.5}
quality: {flicker: 3}
quality: {flicker: {x: 1}}
quality: {flicker: {look_above: 9, bad_above: 1}}
uploads: 3
uploads: {x: 1}
uploads: {voice_s: none}
"""



def _spoken(house: Web, error: SchedulerError) -> str:
    with house.app.test_request_context(headers={"Accept-Language": "zh"}):
        message, hint = told(error.code, error.message, error.field, error.hint, **error.data)
    assert not hint
    return message


@pytest.mark.parametrize("text", ROLES, ids=lambda text: f"{text[-50:]!r}")
def test_mistakes_in_roles_are_told_in_chinese_with_their_lines(house: Web, tmp_path: Path, text: str) -> None:
    for name in ("a.png", "a.wav"):
        (tmp_path / name).touch()
    with pytest.raises(RolesError) as caught:
        load_roles(text, tmp_path)
    message = _spoken(house, caught.value)
    assert message.count("第 ") >= min(50, len(caught.value.problems)) and not ENGLISH.search(message), message


@pytest.mark.parametrize("text", POLICIES.strip().splitlines())
def test_mistakes_in_a_policy_are_told_in_chinese(house: Web, tmp_path: Path, text: str) -> None:
    (tmp_path / "policy.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SchedulerError) as caught:
        for_slots(read_policy_at(tmp_path / "policy.yaml", None), 2)
    message = _spoken(house, caught.value)
    assert "策略文件有误" in message and not ENGLISH.search(message), message


def test_an_older_row_without_codes_is_shown_as_it_was_said(house: Web) -> None:
    old: dict[str, Any] = {"line": 3, "column": 1, "path": "teacher", "message": "it is odd.", "hint": ""}
    with house.app.test_request_context(headers={"Accept-Language": "zh"}):
        assert told_line(old) == "line 3, column 1: teacher: it is odd."


def test_what_is_missing_is_told_with_an_example_of_it(house: Web) -> None:
    missing: dict[str, Any] = {"line": 3, "column": 1, "path": "", "message": "user is missing.", "hint": "", "code": "missing",
                               "data": {"named": "user"}}  # fmt: skip
    with house.app.test_request_context(headers={"Accept-Language": "zh"}):
        assert told_line(missing) == "第 3 行：缺少 user（为谁制作），例如 user: education。"
        assert told_line({**missing, "data": {"named": "colour"}}) == "第 3 行：缺少 colour，请补上。"
