"""Reads `roles.yaml`: every field checked, every complaint with its line, all of them at once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.catalog import PRESETS
from scheduler.prompts.styles import (
    DEFAULT_STYLE_FILE,
    STYLE_DIR,
    StyleBook,
    StyleFileError,
    load_style_book,
    template_names,
)
from scheduler.prompts.template_grammar import compile_template
from scheduler.prompts.variable_fields import RESERVED, checked_default, read_variables
from scheduler.prompts.variables import Value, Variable
from scheduler.registry.adapter_fields import AdapterDraft, read_adapters
from scheduler.yaml_files import Fields, Node, Problem

KNOWN_KEYS = (
    "image", "audio", "prompt_template", "priority", "title", "defaults", "variables", "style", "style_file", "preset",
    "relations", "sla", "team", "owner", "adapter",
)  # fmt: skip
ROLE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
MAX_ROLES = 500
MAX_TEMPLATE_CHARS = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleDraft:
    """A role as its file says, before its assets were checked. Paths are absolute and inside the file's folder."""

    name: str
    image_path: Path
    audio_path: Path
    prompt_template: str
    priority: int
    book: StyleBook
    title: str = ""
    style: str | None = None
    preset: str = "standard"
    team: str = ""
    owner: str = ""
    variables: dict[str, Variable] = field(default_factory=dict)
    defaults: dict[str, Value] = field(default_factory=dict)
    share_with: tuple[str, ...] = ()  # may share a session
    never_with: tuple[str, ...] = ()  # may never run at the same time
    start_within_s: float | None = None
    finish_factor: float | None = None
    adapters: tuple[AdapterDraft, ...] = ()  # attached together; none: the generic character
    places: dict[str, tuple[int, int]] = field(default_factory=dict)  # line and column of each value, by key

    @property
    def files(self) -> list[tuple[str, str, Path]]:
        """(key, kind of asset, path) of every file that the role names, in a fixed order."""
        adapters = [("adapter", "adapter", adapter.path) for adapter in self.adapters]
        return [("image", "portrait", self.image_path), ("audio", "voice", self.audio_path), *adapters]

    def problem(self, key: str, message: str, hint: str, code: str, **data: Any) -> Problem:
        """A complaint at one of the role's keys, for checks that come later (assets)."""
        line, column = self.places.get(key, self.places.get("", (1, 1)))
        return Problem(line, column, f"{self.name}.{key}", message, hint, code, data)


def read_role(name: str, node: Node, base_dir: Path, problems: list[Problem], style_dir: Path = STYLE_DIR) -> RoleDraft:
    """One entry of the file as a draft. With problems added, the draft is only good for finding more of them."""
    fields = Fields(node, name, KNOWN_KEYS, problems)
    book = _style_book(fields, style_dir)
    style = _style(fields, book)
    preset = fields.text("preset", "standard")
    if preset not in PRESETS:
        fields.complain(
            fields.get("preset") or node, f"preset {preset[:40]!r} is unknown.", f"Use {_list(PRESETS)}.", "preset",
            code="no_choice", named="preset", found=preset[:40], known=_list(PRESETS),
        )  # fmt: skip
    variables, defaults = read_variables(fields)
    template = _template(fields)
    known = {**{name: Variable(name=name) for name in template[1]}, **_book_variables(book), **variables}
    defaults |= _defaults(fields, known, defaults)
    share_with, never_with = _relations(fields)
    start_within_s, finish_factor = _sla(fields)
    if fields.need("priority", "Write priority: 10 (0 to 100, higher goes first)."):
        pass
    return RoleDraft(
        name=name,
        image_path=_file(fields, "image", base_dir),
        audio_path=_file(fields, "audio", base_dir),
        prompt_template=template[0],
        priority=fields.whole("priority", 0, 0, 100),
        book=book,
        title=fields.text("title", max_length=80),
        style=style,
        preset=preset,
        team=fields.text("team", max_length=40),
        owner=fields.text("owner", max_length=80),
        variables=variables,
        defaults=defaults,
        share_with=share_with,
        never_with=never_with,
        start_within_s=start_within_s,
        finish_factor=finish_factor,
        adapters=read_adapters(fields, base_dir),
        places=_places(node),
    )


def _places(node: Node) -> dict[str, tuple[int, int]]:
    entries = node.value if isinstance(node.value, dict) else {}
    return {"": (node.line, node.column), **{key: (value.line, value.column) for key, value in entries.items()}}


def _style_book(fields: Fields, style_dir: Path) -> StyleBook:
    name = fields.text("style_file", DEFAULT_STYLE_FILE)
    try:
        return load_style_book(name, style_dir)
    except StyleFileError as error:
        node = fields.get("style_file") or fields.node
        first = error.problems[0]
        fields.complain(
            node, f"the style file {name[:40]} cannot be used: {first.message}", first.hint, "style_file",
            code="bad_style_file", named=name[:40], at=first.line, why={"code": f"line.{first.code}", "data": first.data},
        )  # fmt: skip
        return StyleBook(name="", base="{{ role_prompt }}", styles={})


def _style(fields: Fields, book: StyleBook) -> str | None:
    node = fields.get("style")
    if node is None:
        return None
    style = fields.text("style")
    if book.name and style not in book.styles:
        hint = f"{book.name}.yaml has {_list(book.styles)}."
        message, known = f"style {style[:40]!r} is unknown.", _list(book.styles)
        fields.complain(node, message, hint, "style", code="no_choice", named="style", found=style[:40], known=known)
        return None
    return style or None


def _template(fields: Fields) -> tuple[str, tuple[str, ...]]:
    """The role's template and its variables."""
    if not fields.need("prompt_template", 'Write prompt_template: "Explain {topic}".'):
        return "", ()
    text = fields.text("prompt_template", max_length=MAX_TEMPLATE_CHARS)
    node = fields.get("prompt_template")
    assert node is not None
    names = template_names(fields, "prompt_template", node, text) or ()
    for name in sorted(RESERVED & set(names)):
        message = f"{name} is made by the studio and cannot be a variable."
        fields.complain(node, message, "Use another name.", "prompt_template", code="reserved_name", found=name)
    return text, names


def _book_variables(book: StyleBook) -> dict[str, Variable]:
    texts = (book.base, *book.styles.values())
    names = (name for text in texts for name in compile_template(text).names if name not in RESERVED)
    return {**{name: Variable(name=name) for name in names}, **book.variables}


def _defaults(fields: Fields, known: dict[str, Variable], declared: dict[str, Value]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for name, node in fields.entries("defaults").items():
        if name not in known:
            fields.complain(
                node, f"{name!r} is no variable of this role.", f"Its variables: {_list(known) or 'none'}.", "defaults",
                code="no_variable", found=name[:40], known=_list(known) or "–",
            )  # fmt: skip
        elif name in declared:
            message = f"{name!r} has a default under variables already."
            fields.complain(node, message, "Remove one.", "defaults", code="default_twice", found=name[:40])
        elif (value := checked_default(known[name], node, fields)) is not None:
            found[name] = value
    return found


def _relations(fields: Fields) -> tuple[tuple[str, ...], tuple[str, ...]]:
    node = fields.get("relations")
    if node is None:
        return (), ()
    inner = Fields(node, f"{fields.path}.relations", ("with", "never_with"), fields.problems)
    sides = []
    for key in ("with", "never_with"):
        names = inner.words(key)
        for item in names:
            if item.value == fields.path:
                inner.complain(item, "a role has no relation with itself.", "Remove it.", key, code="relation_to_itself")
        sides.append(tuple(sorted({str(item.value) for item in names})))
    return sides[0], sides[1]


def _sla(fields: Fields) -> tuple[float | None, float | None]:
    node = fields.get("sla")
    if node is None:
        return None, None
    inner = Fields(node, f"{fields.path}.sla", ("start_within_s", "finish_factor"), fields.problems)
    return inner.number("start_within_s", None, 1, 86_400), inner.number("finish_factor", None, 1, 1000)


def _file(fields: Fields, key: str, base_dir: Path) -> Path:
    """An existing file inside the folder of the roles file; links that lead out of it are refused too."""
    if not fields.need(key, f'Write {key}: "{"images/teacher.png" if key == "image" else "audios/teacher.wav"}".'):
        return base_dir
    name = fields.text(key, max_length=400)
    node = fields.get(key)
    assert node is not None
    if not name or "\x00" in name:
        fields.complain(node, f"{key} is not a file name.", "Write a path below the file's folder.", key,
                        code="no_file_name", named=key)  # fmt: skip
        return base_dir
    root = base_dir.resolve()
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        message = f"{name!r} lies outside the folder of the roles file."
        fields.complain(node, message, "Copy the file into it.", key, code="outside_folder", found=name)
    elif not path.is_file():
        message = f"there is no file {name!r}."
        fields.complain(node, message, f"It is looked for in {root}.", key, code="no_such_file", found=name, folder=str(root))
    return path


def _list(names: object) -> str:
    return ", ".join(sorted(names))  # type: ignore[call-overload]
