"""Style files, `templates/prompts/*.yaml`: a base for every prompt, named styles, slots, and words that clash."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scheduler.prompts.template_grammar import TemplateError, compile_template
from scheduler.prompts.variable_fields import RESERVED, read_variables
from scheduler.prompts.variables import Value, Variable
from scheduler.yaml_files import Fields, Node, Problem, YamlError, read_yaml

STYLE_DIR = Path(__file__).resolve().parents[2] / "templates" / "prompts"
DEFAULT_STYLE_FILE = "studio"
_KNOWN = ("summary", "base", "style", "variables", "contradictions", "cautions")
_FILE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


class StyleFileError(ValueError):
    """A style file cannot be used. `problems` say where and why."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        super().__init__("\n".join(f"{name}.yaml {problem}" for problem in problems))
        self.name = name
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleBook:
    """What a style file says. `contradictions`: pairs of word lists; `cautions`: (words, because, the same in Chinese or "")."""

    name: str
    base: str
    styles: Mapping[str, str]
    variables: Mapping[str, Variable] = field(default_factory=dict)
    defaults: Mapping[str, Value] = field(default_factory=dict)
    contradictions: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()
    cautions: tuple[tuple[tuple[str, ...], str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data; kept inside each role's version, so that a version means the same text for ever."""
        return {
            "name": self.name,
            "base": self.base,
            "styles": dict(self.styles),
            "variables": {name: variable.to_json() for name, variable in self.variables.items()},
            "defaults": dict(self.defaults),
            "contradictions": [[list(left), list(right)] for left, right in self.contradictions],
            "cautions": [[list(words), because, *([chinese] if chinese else [])] for words, because, chinese in self.cautions],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> StyleBook:
        """Inverse of `to_json`."""
        return cls(
            name=data["name"],
            base=data["base"],
            styles=dict(data["styles"]),
            variables={name: Variable.from_json(name, value) for name, value in data["variables"].items()},
            defaults=dict(data["defaults"]),
            contradictions=tuple((tuple(left), tuple(right)) for left, right in data["contradictions"]),
            cautions=tuple((tuple(words), because, "".join(chinese)) for words, because, *chinese in data["cautions"]),
        )


def style_files(folder: Path = STYLE_DIR) -> list[str]:
    """Names of the style files there are."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load_style_book(name: str, folder: Path = STYLE_DIR) -> StyleBook:
    """Read a style file by its name. Raises StyleFileError, also for a name that is no file here."""
    if not _FILE_NAME.fullmatch(name) or not (folder / f"{name}.yaml").is_file():
        known = f"Use {', '.join(style_files(folder))}."
        said, figures = f"there is no style file {name[:40]!r}.", {"found": name[:40], "known": ", ".join(style_files(folder))}
        raise StyleFileError(name, [Problem(1, 1, "", said, known, "no_style_file", figures)])
    path = folder / f"{name}.yaml"
    stat = path.stat()
    return _load(name, path, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=64)
def _load(name: str, path: Path, mtime_ns: int, size: int) -> StyleBook:
    """Cached by what changes when the file does."""
    return parse_style_book(name, path.read_text(encoding="utf-8"))


def parse_style_book(name: str, text: str) -> StyleBook:
    """A style file's text as a StyleBook. Raises StyleFileError with every problem found."""
    problems: list[Problem] = []
    try:
        root = read_yaml(text)
    except YamlError as error:
        raise StyleFileError(name, [error.problem]) from error
    fields = Fields(root, "", _KNOWN, problems)
    variables, defaults = read_variables(fields)
    base = ""
    if fields.need("base", "Write base: |, with {{ role_prompt }} in it."):
        base = _base(fields)
    styles = {key: _style(fields, key, node) for key, node in fields.entries("style").items()}
    book = StyleBook(
        name=name, base=base, styles=styles, variables=variables, defaults=defaults,
        contradictions=_contradictions(fields), cautions=_cautions(fields),
    )  # fmt: skip
    if problems:
        raise StyleFileError(name, problems)
    return book


def _base(fields: Fields) -> str:
    text = fields.text("base", max_length=8000)
    node = fields.get("base")
    assert node is not None
    names = template_names(fields, "base", node, text)
    if names is not None and "role_prompt" not in names:
        message, hint = "base leaves the role's own text out.", "Put {{ role_prompt }} in it."
        fields.complain(node, message, hint, "base", code="base_without_role")
    return text


def _style(fields: Fields, key: str, node: Node) -> str:
    if not isinstance(node.value, str):
        message = f"the style {key!r} must be text."
        fields.complain(node, message, "Put it in quotes.", "style", code="no_text", named=key[:40])
        return ""
    names = template_names(fields, f"style.{key}", node, node.value)
    if names and (RESERVED & set(names)):
        message = f"the style {key!r} may not use role_prompt or style_text."
        fields.complain(node, message, "Remove it.", "style", code="style_of_itself", named=key[:40])
    return node.value


def template_names(fields: Fields, name: str, node: Node, text: str) -> tuple[str, ...] | None:
    """The variables of a template, or None after a complaint that names the line in the file."""
    try:
        return compile_template(text).names
    except TemplateError as error:
        line = node.line + error.line - 1 + (1 if node.is_block else 0)
        path = f"{fields.path}.{name}".strip(".")
        fields.problems.append(Problem(line, node.column, path, error.message, error.hint, error.code, error.data))
        return None


def _contradictions(fields: Fields) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    node = fields.get("contradictions")
    pairs = []
    for item in node.value if node is not None and isinstance(node.value, list) else []:
        sides = item.plain
        if not (isinstance(sides, list) and len(sides) == 2 and all(_is_words(side) for side in sides)):
            fields.complain(
                item, "a contradiction is a pair of lists of words.", "Write [[a, b], [c]].", "contradictions",
                code="contradiction_form",
            )  # fmt: skip
            continue
        pairs.append((tuple(sides[0]), tuple(sides[1])))
    return tuple(pairs)


def _cautions(fields: Fields) -> tuple[tuple[tuple[str, ...], str, str], ...]:
    node = fields.get("cautions")
    found = []
    for item in node.value if node is not None and isinstance(node.value, list) else []:
        inner = Fields(item, "cautions", ("words", "because", "because_zh"), fields.problems)
        words = tuple(str(word.value) for word in inner.words("words"))
        if inner.need("words", "Write words: [a, b].") and inner.need("because", "Write because: the reason."):
            found.append((words, inner.text("because") or "", inner.text("because_zh") or ""))
    return tuple(found)


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(word, str) and word for word in value)
