"""roles.yaml: the published form works, everything else is an error with its line and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scheduler.canonical import canonical_sha256
from scheduler.prompts import render
from scheduler.registry import Role, RoleDraft, RolesError, load_roles
from scheduler.yaml_files import MAX_BYTES

PUBLISHED = """\
teacher:
  image: "images/teacher.png"
  audio: "audios/teacher.wav"
  prompt_template: "Explain {topic} to {audience} in {tone} tone"
  priority: 10
"""
FULL = (
    PUBLISHED
    + """\
  defaults: {tone: "friendly", audience: "everyone"}
  variables:
    tone: {type: choice, choices: [friendly, strict]}
    topic: {type: string, max_length: 80, default: "today's lesson"}
  style: engaging
  preset: standard
  relations: {with: [student], never_with: [presenter]}
  sla: {start_within_s: 60, finish_factor: 3}
  team: education
  owner: reader
  title: 讲师
student: {image: images/teacher.png, audio: audios/teacher.wav, prompt_template: "Ask {topic}", priority: 5}
presenter:
  image: images/teacher.png
  audio: audios/teacher.wav
  priority: 100
  style_file: portrait
  style: formal
  prompt_template: |
    Presents {product},
    with {gesture}.
  defaults: {hair: short hair}
"""
)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A folder with the files that the roles name."""
    for name in ("images/teacher.png", "audios/teacher.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"content")
    return tmp_path


def problems(text: str, base: Path) -> list[tuple[int, str, str]]:
    """(line, path, message and hint) of every problem."""
    with pytest.raises(RolesError) as caught:
        load_roles(text, base)
    assert caught.value.status == 422
    assert caught.value.to_json()["data"]["problems"][0]["line"] == caught.value.problems[0].line
    return [(problem.line, problem.path, f"{problem.message} {problem.hint}") for problem in caught.value.problems]


def one(text: str, base: Path) -> tuple[int, str, str]:
    """The only problem."""
    (problem,) = problems(text, base)
    return problem


def test_the_published_form_is_a_valid_file(base: Path) -> None:
    (teacher,) = load_roles(PUBLISHED, base)
    assert (teacher.name, teacher.priority, teacher.preset, teacher.style) == ("teacher", 10, "standard", None)
    assert teacher.image_path == (base / "images/teacher.png").resolve()


def test_every_key_arrives(base: Path) -> None:
    teacher, student, presenter = load_roles(FULL, base)
    assert teacher.defaults == {"tone": "friendly", "audience": "everyone", "topic": "today's lesson"}
    assert teacher.variables["tone"].choices == ("friendly", "strict")
    assert (teacher.start_within_s, teacher.finish_factor) == (60, 3)
    assert (teacher.team, teacher.owner, teacher.title, teacher.style) == ("education", "reader", "讲师", "engaging")
    assert presenter.book.name == "portrait"
    assert (presenter.places["style"], presenter.problem("style", "x", "", "no_choice").line) == ((23, 10), 23)
    assert student.priority == 5


def test_relations_hold_on_both_sides(base: Path) -> None:
    teacher, student, presenter = load_roles(FULL, base)
    assert (teacher.share_with, teacher.never_with) == (("student",), ("presenter",))
    assert (student.share_with, presenter.never_with) == (("teacher",), ("teacher",))


def completed(draft: RoleDraft) -> Role:
    """The role of a draft with made-up assets."""
    return Role.from_draft(
        draft, portrait_sha256="1" * 64, voice_sha256="2" * 64, voice_seconds=3.25, image_width=512, image_height=640,
        pauses=((1.0, 1.5),), warnings=("a little dark",),
    )  # fmt: skip


def test_a_role_comes_back_from_its_body_unchanged(base: Path) -> None:
    for draft in load_roles(FULL, base):
        role = completed(draft)
        body = json.loads(json.dumps(role.to_json()))
        again = Role.from_json(body, version=4)
        assert again.version == 4
        assert canonical_sha256(again.to_json()) == canonical_sha256(role.to_json())
        assert Role.from_json(body) == role


def test_a_loaded_role_renders_its_prompt(base: Path) -> None:
    teacher, _, presenter = (completed(draft) for draft in load_roles(FULL, base))
    rendered = render(teacher, {"topic": "rain"})
    assert "Explain rain to everyone in friendly tone." in rendered.prompt
    assert "Warm and lively" in rendered.prompt
    assert "with short hair" in render(presenter, {"product": "a lamp", "gesture": "open hands"}).prompt


# (what to add or replace in the published file, line, path, words)
MISTAKES = {
    "unknown key": (("  priority: 10", "  priorty: 10"), 5, "teacher.priorty", "Did you mean 'priority'?"),
    "lora": (("  priority: 10", "  priority: 10\n  lora: x"), 6, "teacher.lora", "Did you mean 'adapter'?"),
    "adapter absent": (("  priority: 10", "  priority: 10\n  adapter: lora/x"), 6, "teacher.adapter", "there is no adapter"),
    "adapter outside": (("  priority: 10", "  priority: 10\n  adapter: ../x"), 6, "teacher.adapter", "lies outside"),
    "adapter in a folder of none": (
        ("  priority: 10", "  priority: 10\n  adapter: images"), 6, "teacher.adapter", "holds not one",
    ),
    "adapter without file": (
        ("  priority: 10", "  priority: 10\n  adapter: {alpha: 2}"), 6, "teacher.adapter.file", "file is missing",
    ),
    "adapter as number": (("  priority: 10", "  priority: 10\n  adapter: 3"), 6, "teacher.adapter", "a file name or a map"),
    "no adapter in a list": (("  priority: 10", "  priority: 10\n  adapter: []"), 6, "teacher.adapter", "Use 1 to 4"),
    "priority above": (("10", "101"), 5, "teacher.priority", "from 0 to 100"),
    "priority below": (("10", "-1"), 5, "teacher.priority", "from 0 to 100"),
    "priority as text": (("10", '"10"'), 5, "teacher.priority", "whole number"),
    "priority as fraction": (("10", "1.5"), 5, "teacher.priority", "whole number"),
    "priority as flag": (("10", "true"), 5, "teacher.priority", "whole number"),
    "no such file": (("teacher.png", "nobody.png"), 2, "teacher.image", "there is no file"),
    "outside": (("images/teacher.png", "../teacher.png"), 2, "teacher.image", "outside"),
    "absolute": (("images/teacher.png", "/etc/hostname"), 2, "teacher.image", "outside"),
    "a folder": (("images/teacher.png", "images"), 2, "teacher.image", "there is no file"),
    "image as list": (('"images/teacher.png"', "[a]"), 2, "teacher.image", "must be text"),
    "preset": (("  priority: 10", "  priority: 10\n  preset: ultra"), 6, "teacher.preset", "hd, pocket, preview, standard"),
    "style": (("  priority: 10", "  priority: 10\n  style: loud"), 6, "teacher.style", "concise, engaging, formal"),
    "style file": (("  priority: 10", "  priority: 10\n  style_file: mine"), 6, "teacher.style_file", "portrait, studio"),
    "template": (("Explain {topic}", "Explain {% for a in b %}{% endfor %}"), 4, "teacher.prompt_template", "a loop is not"),
    "reserved": (("{topic}", "{style_text}"), 4, "teacher.prompt_template", "made by the studio"),
    "default of nothing": (("10", "10\n  defaults: {subject: x}"), 6, "teacher.defaults", "audience"),
    "default of wrong type": (
        ("  priority: 10", "  priority: 10\n  variables: {topic: number}\n  defaults: {topic: rain}"), 7, "teacher",
        "not a number",
    ),
    "two defaults": (
        ("  priority: 10", "  priority: 10\n  variables:\n    topic: {default: a}\n  defaults: {topic: b}"), 8,
        "teacher.defaults", "already",
    ),
    "type": (("10", "10\n  variables: {topic: date}"), 6, "teacher.variables.topic.type", "number, choice"),
    "choices": (("  priority: 10", "  priority: 10\n  variables: {topic: choice}"), 6, "teacher.variables.topic.choices", "two"),
    "limits": (
        ("  priority: 10", "  priority: 10\n  variables: {topic: {type: number, min: 3, max: 1}}"), 6,
        "teacher.variables.topic", "Swap",
    ),
    "limit of another type": (
        ("10", "10\n  variables: {topic: {min: 3}}"), 6, "teacher.variables.topic.min", "to a number",
    ),
    "relation with nobody": (
        ("  priority: 10", "  priority: 10\n  relations: {with: [studnet]}"), 6, "teacher.relations.with", "no role 'studnet'",
    ),
    "relation with itself": (
        ("  priority: 10", "  priority: 10\n  relations:\n    never_with:\n      - teacher"), 8,
        "teacher.relations.never_with", "itself",
    ),
    "relations as list": (("  priority: 10", "  priority: 10\n  relations: [a]"), 6, "teacher.relations", "must be a map"),
    "sla": (("  priority: 10", "  priority: 10\n  sla: {start_within_s: 0}"), 6, "teacher.sla.start_within_s", "from 1 to"),
    "title": (("  priority: 10", f"  priority: 10\n  title: {'x' * 99}"), 6, "teacher.title", "1 to 80"),
    "role name": (("teacher:", "Herr Müller:"), 1, "Herr Müller", "such as herr-muller"),
    "role as text": ((PUBLISHED, "teacher: hello\nstudent: {}"), 1, "teacher", "must be a map"),
    "duplicate key": (("  priority: 10", "  priority: 10\n  audio: x"), 6, "", "here twice, first on line 3"),
    "duplicate role": (("  priority: 10", "  priority: 10\nteacher: {}"), 6, "", "here twice, first on line 1"),
    "tab": (("  priority: 10", "\tpriority: 10"), 5, "", "spaces, not with tabs"),
    "colon": (("priority: 10", "priority: 10: 20"), 5, "", "in quotes"),
    "alias": (("  priority: 10", "  priority: &p 10\n  title: *p"), 5, "", "not allowed"),
    "tag": (("10", "!!python/object/apply:os.system [id]"), 5, "", "tag"),
    "merge": (("  priority: 10", "  priority: 10\n  <<: {team: x}"), 6, "teacher.<<", "unknown"),
    "second document": (("  priority: 10", "  priority: 10\n---\na: b"), 6, "", "second document"),
    "empty": ((PUBLISHED, ""), 1, "", "names no role"),
    "a list": ((PUBLISHED, "- a"), 1, "", "names no role"),
    "control character": (("Explain", "Exp\x01lain"), 4, "", "does not allow"),
}  # fmt: skip


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_is_named_with_its_line_and_the_way_out(base: Path, kind: str) -> None:
    (old, new), line, path, words = MISTAKES[kind]
    assert old in PUBLISHED
    found = problems(PUBLISHED.replace(old, new), base)
    matching = [problem for problem in found if problem[0] == line and problem[1] == path]
    assert matching, found
    assert words in " ".join(problem[2] for problem in matching)


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(base: Path) -> None:
    text = (
        PUBLISHED.replace("10", "200").replace("teacher.png", "nobody.png") + "  colour: red\nstudent: {priority: 1}\n"
    )
    found = problems(text, base)
    assert [line for line, _, _ in found] == [2, 5, 6, 7, 7, 7]
    assert [path for _, path, _ in found][:3] == ["teacher.image", "teacher.priority", "teacher.colour"]
    assert {path for _, path, _ in found[3:]} == {"student.image", "student.audio", "student.prompt_template"}


def test_what_is_no_role_at_all_is_told_once(base: Path) -> None:
    found = problems("preempt_margin: 20\nstudent:\n  priority: 5\n", base)
    assert [said for line, _, said in found if line == 1] == [found[0][2]] and "must be a map" in found[0][2]
    assert sum("is missing" in said for _, _, said in found) == 3, "of the one that is a map: what it lacks"


def test_relations_that_disagree_are_refused_at_the_word(base: Path) -> None:
    text = FULL.replace(
        '"Ask {topic}", priority: 5}', '"Ask {topic}", priority: 5, relations: {never_with: [teacher]}}'
    )
    found = problems(text, base)
    assert [path for _, path, _ in found] == ["teacher.relations.with", "student.relations.never_with"]
    assert "may share a session, and may not" in found[0][2]


def test_the_line_inside_a_block_template_is_the_line_of_the_file(base: Path) -> None:
    text = FULL.replace("with {gesture}.", "with {% for a in b %}{% endfor %}")
    line, path, _ = one(text, base)
    assert (path, text.splitlines()[line - 1]) == ("presenter.prompt_template", "    with {% for a in b %}{% endfor %}")


def test_a_link_that_leads_outside_is_refused(base: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.png"
    secret.write_bytes(b"secret")
    (base / "images/link.png").symlink_to(secret)
    assert "outside" in one(PUBLISHED.replace("teacher.png", "link.png"), base)[2]


BILLION_LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
HOSTILE = {
    "billion laughs": BILLION_LAUGHS,
    "python object": "a: !!python/object/new:os.system ['touch canary']",
    "python name": "a: !!python/name:os.system",
    "deep lists": "a: " + "[" * 100_000,
    "deep maps": "a: " + "{a: " * 50_000,
    "deep blocks": "\n".join(" " * depth + "a:" for depth in range(700)),
    "ten megabytes": "a: " + "x" * 10_000_000,
    "many keys": "\n".join(f"k{number}: {{}}" for number in range(20_000)),
    "long key": "? " + "x" * 100_000 + "\n: 1",
    "surrogate": "a: \ud800",
    "null bytes": "\x00" * 1000,
    "binary": "a: !!binary aGVsbG8=",
    "complex key": "? [a, b]\n: c",
    "huge number": f"teacher: {{priority: {'9' * 100_000}}}",
    "anchors without end": "&a " * 10_000,
    "quotes without end": 'a: "' + "x" * 200_000,
    "directives": "%YAML 9.9\n---\na: b",
    "comment only": "# nothing",
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.timeout(20)
def test_a_hostile_file_is_an_ordinary_error(base: Path, kind: str) -> None:
    with pytest.raises(RolesError) as caught:
        load_roles(HOSTILE[kind], base)
    assert caught.value.problems[0].line >= 1
    assert len(caught.value.message) < 2000
    assert not (base / "canary").exists()


def test_a_hundred_roles_fit_into_a_file(base: Path) -> None:
    text = "".join(PUBLISHED.replace("teacher:", f"role{number}:", 1) for number in range(120))
    assert len(text) < MAX_BYTES
    assert len(load_roles(text, base)) == 120
