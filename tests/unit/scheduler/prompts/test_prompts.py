"""Prompts: both brace forms, typed variables, styles, slots, and nothing that runs for ever."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.prompts import MAX_PROMPT_CHARS, PromptError, prompt_plan, render
from scheduler.prompts.styles import StyleBook, StyleFileError, load_style_book, parse_style_book, style_files
from scheduler.prompts.template_grammar import FILTERS, TemplateError, compile_template
from scheduler.prompts.variables import Variable
from tests.unit.scheduler.store_rig import role

PLAIN = StyleBook(
    name="plain", base="{{ role_prompt }}|{{ style_text }}", styles={"loud": "LOUD {mood}", "calm": "calm"}
)


def made(template: str, context: dict[str, Any] | None = None, **changes: Any) -> str:
    """The role's own part of a prompt."""
    plain = {"book": PLAIN, "style": None, "defaults": {}, **changes}
    return render(role(prompt_template=template, **plain), context or {}).prompt


def refused(template: str, context: dict[str, Any] | None = None, **changes: Any) -> PromptError:
    """The error of a prompt that cannot be made."""
    with pytest.raises(PromptError) as caught:
        made(template, context, **changes)
    return caught.value


def test_both_brace_forms_mean_the_same() -> None:
    context = {"topic": "rain", "audience": "children"}
    assert made("Explain {topic} to {{ audience }}", context) == "Explain rain to children|"
    assert made("Explain {{ topic }} to { audience }", context) == "Explain rain to children|"


def test_defaults_stand_in_and_are_part_of_what_was_used() -> None:
    teacher = role(prompt_template="Explain {topic} in {tone} tone", defaults={"tone": "friendly", "topic": "clouds"})
    rendered = render(teacher, {"topic": "rain"})
    assert "Explain rain in friendly tone" in rendered.prompt
    assert rendered.used == {"topic": "rain", "tone": "friendly"}


def test_every_missing_variable_is_named_at_once() -> None:
    error = refused("{a} {b} {c} {d}", {"b": 1})
    assert (error.status, error.code, error.field) == (422, "missing_variable", "context.a")
    assert "a, c and d" in error.message


def test_an_unknown_variable_names_the_known_ones() -> None:
    error = refused("{topic} {tone}", {"topik": "x"})
    assert (error.code, error.field) == ("unknown_variable", "context.topik")
    assert "tone, topic" in error.hint


def test_null_means_left_out() -> None:
    assert made("{a}", {"a": None}, defaults={"a": "x"}) == "x|"


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        (Variable(name="x", kind="number", minimum=1, maximum=5), 6, "at most 5"),
        (Variable(name="x", kind="number", minimum=1), 0, "at least 1"),
        (Variable(name="x", kind="number"), "many", "not a number"),
        (Variable(name="x", kind="number"), float("nan"), "usable number"),
        (Variable(name="x", kind="number"), 10**400, "usable number"),
        (Variable(name="x", kind="choice", choices=("a", "b")), "c", "a, b"),
        (Variable(name="x", max_length=3), "four", "at most 3"),
        (Variable(name="x"), ["a"], "text, not list"),
        (Variable(name="x"), True, "text, not bool"),
        (Variable(name="x"), "bell\x07", "U+0007"),
        (Variable(name="x", max_length=4000), "é" * 3000, "4096 bytes"),
    ],
)
def test_values_are_checked_against_their_variable(variable: Variable, value: Any, words: str) -> None:
    error = refused("{x}", {"x": value}, variables={"x": variable})
    assert (error.code, error.field) == ("bad_variable", "context.x")
    assert words in f"{error.message} {error.hint}"


def test_numbers_from_the_command_line_are_numbers() -> None:
    variables = {"x": Variable(name="x", kind="number")}
    assert made("{% if x > 2 %}many{% else %}few{% endif %}", {"x": "3"}, variables=variables) == "many|"
    assert made("{{ x | round(1) }}", {"x": "2.25"}, variables=variables) == "2.2|"


def test_filters_conditions_and_constants_work() -> None:
    filtered = made("{{ a | upper }} {{ a|title }} {{ a | trim | capitalize }}", {"a": "rain cloud"})
    assert filtered == "RAIN CLOUD Rain Cloud Rain cloud|"
    assert made("{{ 'yes' if a == 'x' and not b else 'no' }}", {"a": "x", "b": ""}) == "yes|"
    assert made("{{ a | default('nothing') }}{% if b is defined %} {{ b }}{% endif %}") == "nothing|"
    assert made("{{ '7.9' | int }} {{ 1 < 2 }}") == "7 True|"


def test_values_are_not_read_as_templates() -> None:
    hostile = "{{ 7 * 7 }} {topic} {% for i in x %} ''.__class__"
    assert hostile in made("{a}", {"a": hostile})


def test_the_style_is_rendered_with_the_same_values() -> None:
    assert made("{a}.", {"a": "Hello", "mood": "now"}, style="loud") == "Hello|LOUD now"
    error = refused("{a}", {"a": "Hello"}, style="loud")
    assert "mood" in error.message
    teacher = role(prompt_template="Hello", book=PLAIN, style="loud", defaults={"mood": "now"})
    assert render(teacher, {}, style="calm").prompt == "Hello|calm"
    with pytest.raises(PromptError) as caught:
        render(teacher, {}, style="shouting")
    assert (caught.value.code, caught.value.field) == ("unknown_style", "style")
    assert "calm, loud" in caught.value.hint


REFUSED = {
    "loop": "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
    "call": "{{ lipsum() }}", "attribute": "{{ ''.__class__.__mro__ }}", "index": "{{ a['__class__'] }}",
    "multiplied text": "{{ 'a' * 10**10 }}", "arithmetic": "{{ a + 1 }}", "joined text": "{{ a ~ a }}",
    "macro": "{% macro m() %}{{ m() }}{% endmacro %}", "import": "{% import 'x' as y %}", "include": "{% include 'x' %}",
    "assignment": "{% set a = 1 %}", "block": "{% block a %}{% endblock %}", "extends": "{% extends 'x' %}",
    "list": "{{ [1] }}", "filter": "{{ a | replace('a', 'aaaa') }}", "huge round": "{{ a | round(999999999) }}",
    "filter with a variable": "{{ a | round(b) }}", "attr filter": "{{ a | attr('__class__') }}", "self": "{{ self }}",
    "private": "{{ _a }}", "format": "{a!r}", "width": "{a:>99999999}", "unclosed": "{{ a", "lone brace": "{ a",
    "deep": "{{ " + "(" * 500 + "a" + ")" * 500 + " }}" + "{% if a %}" * 60 + "{% endif %}" * 60,
    "not not": "{{ " + "not " * 900 + "a }}", "digits": "{{ " + "9" * 6000 + " }}", "long": "x" * 9000,
    "with": "{% with %}{% endwith %}", "do": "{% do a %}", "raw end": "{% endif %}", "tests": "{{ a is callable }}",
    "named": "{{ a | default(value='x') }}", "negative": "{{ -a }}", "slice": "{{ a[1:2] }}", "dict": "{{ {} }}",
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_could_run_long_or_reach_out_is_refused_before_it_runs(kind: str) -> None:
    with pytest.raises(TemplateError) as caught:
        compile_template(REFUSED[kind])
    assert caught.value.line >= 1
    assert caught.value.message


def test_a_loop_is_refused_with_its_line_and_what_to_write() -> None:
    with pytest.raises(TemplateError) as caught:
        compile_template("Explain {topic}\n\n{% for i in x %}y{% endfor %}")
    assert (caught.value.line, caught.value.message) == (3, "a loop is not allowed in a prompt template.")
    assert "if/else" in caught.value.hint


@given(st.text(alphabet="{}%#|()[]'\" ab.*~-=ifendors\n", max_size=60))
def test_any_text_is_a_template_or_a_template_error(text: str) -> None:
    try:
        checked = compile_template(text)
    except TemplateError:
        return
    values = dict.fromkeys(checked.names, "v")
    with contextlib.suppress(TypeError, ValueError):  # comparing or counting what is no number
        assert len(checked.code.render(values)) <= 20 * len(text) + 20


@given(
    st.text(max_size=50),
    st.lists(st.sampled_from([name for name in FILTERS if name not in ("round", "int")]), max_size=8),
)
def test_filters_keep_the_output_in_proportion(value: str, filters: list[str]) -> None:
    checked = compile_template("{{ a" + "".join(f" | {name}" for name in filters) + " }}")
    assert len(checked.code.render({"a": value})) <= 9 * len(value)


def test_size_limits_hold() -> None:
    names = [f"v{i}" for i in range(20)]
    template = " ".join(f"{{{name}}}" for name in names)
    variables = {name: Variable(name=name, max_length=4000) for name in names}
    assert refused(template, dict.fromkeys(names, "x" * 4000), variables=variables).code == "context_too_long"
    assert refused("{a}" * 5, {"a": "x" * 4000}, variables={"a": variables["v0"]}).code == "prompt_too_long"
    assert MAX_PROMPT_CHARS == 16_384


def test_templates_are_compiled_once() -> None:
    teacher = role(prompt_template="A template that no other test uses: {topic}")
    assert prompt_plan(teacher, "formal") is prompt_plan(
        role(prompt_template=teacher.prompt_template, priority=3), "formal"
    )


@pytest.mark.parametrize("name", style_files())
def test_shipped_style_files_have_the_named_styles(name: str) -> None:
    book = load_style_book(name)
    assert {"formal", "engaging", "concise"} <= set(book.styles)
    assert StyleBook.from_json(book.to_json()) == book
    for style in (*book.styles, None):
        rendered = render(role(prompt_template="A lecturer explains clouds", book=book, style=style, defaults={}), {})
        assert "A lecturer explains clouds" in rendered.prompt
        assert "  " not in rendered.prompt
        assert ".." not in rendered.prompt


def test_empty_slots_are_flagged_and_filled_ones_used() -> None:
    presenter = role(
        prompt_template="She presents {product}", book=load_style_book("portrait"), style="formal", defaults={}
    )
    some = {"age": "about 30", "gender": "woman", "hair": "", "lighting": "soft daylight"}
    rendered = render(presenter, {"product": "a lamp", **some})
    assert rendered.prompt.startswith("A portrait of a woman, about 30. Lighting: soft daylight. She presents a lamp.")
    assert "No value for hair, eyes, clothing, scene, action and style" in rendered.warnings[0]
    full = dict.fromkeys(presenter.book.variables, "calm")
    assert render(presenter, {**full, "product": "a lamp"}).warnings == ()
    assert "A portrait of a person." in render(presenter, {"product": "a lamp"}).prompt


@pytest.mark.parametrize(
    ("topic", "words"),
    [
        ("a night full of daylight", ("night", "daylight", "contradict")),
        ("a man with a mask", ("mask", "mouth must be visible")),
        ("夜晚的阳光", ("夜晚", "阳光")),
        ("x" * 480, ()),
        ("nightingales", ()),
    ],
)
def test_contradictions_and_cautions_are_flagged(topic: str, words: tuple[str, ...]) -> None:
    warnings = " ".join(render(role(), {"topic": topic}).warnings)
    assert all(word in warnings for word in words)
    assert bool(warnings) == bool(words)


def test_a_long_prompt_is_flagged() -> None:
    long = role(prompt_template="word " * 400)
    assert "may be cut" in render(long, {}).warnings[0]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("style: {a: b}", 1, "base is missing"),
        ("base: no variable\n", 1, "leaves the role's own text out"),
        ("base: |\n  {{ role_prompt }}\n  {% for a in b %}{% endfor %}\n", 3, "a loop"),
        ("base: '{{ role_prompt }}'\nstyle:\n  formal: [1]\n", 3, "must be text"),
        ("base: '{{ role_prompt }}'\nstyle:\n  formal: '{{ role_prompt }}'\n", 3, "may not use"),
        ("base: '{{ role_prompt }}'\ncontradictions:\n  - [a, b]\n", 3, "pair of lists"),
        ("base: '{{ role_prompt }}'\ncautions:\n  - {words: [a]}\n", 3, "because is missing"),
        ("base: '{{ role_prompt }}'\nstyles: {}\n", 2, "'styles' is unknown"),
        ("base: '{{ role_prompt }}'\nvariables: {role_prompt: string}\n", 2, "cannot be a variable"),
        ("- a\n", 1, "must be a map"),
    ],
)
def test_a_bad_style_file_says_where_and_why(text: str, line: int, words: str) -> None:
    with pytest.raises(StyleFileError) as caught:
        parse_style_book("mine", text)
    problem = caught.value.problems[0]
    assert problem.line == line
    assert words in problem.message


@pytest.mark.parametrize("name", ["nothing", "../studio", "/etc/passwd", "", "Studio"])
def test_a_style_file_is_found_by_a_plain_name_only(name: str) -> None:
    with pytest.raises(StyleFileError, match="no style file"):
        load_style_book(name)
