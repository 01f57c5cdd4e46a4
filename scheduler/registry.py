"""The role registry: `roles.yaml` → drafts → roles with checked assets. Versions are kept by the store."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scheduler.errors import SchedulerError
from scheduler.relations_check import with_mutual_relations
from scheduler.roles_file import MAX_ROLES, ROLE_NAME, RoleDraft, read_role
from scheduler.styles import STYLE_DIR, StyleBook
from scheduler.variables import Value, Variable
from scheduler.yaml_lines import Node, Problem, YamlError, read_yaml

__all__ = ["Problem", "Role", "RoleDraft", "RolesError", "Variable", "load_roles"]

MAX_SHOWN = 50


class RolesError(SchedulerError, ValueError):
    """The roles file is refused: nothing of it is used. `problems`: every one found, by line."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: (problem.line, problem.column))
        count = len(problems)
        first = self.problems[0]
        message = str(first) if count == 1 else f"{count} problems; the first: {first}"
        shown = [dataclasses.asdict(problem) for problem in self.problems[:MAX_SHOWN]]
        super().__init__(422, "bad_roles", message, field=first.path or None, hint=first.hint, problems=shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role with checked assets. `version` is the store's number (0: not stored yet) and no part of the body.

    `pauses`: (start, end) of silences in the voice, seconds; image size in pixels; `warnings` of the asset checks.
    """

    name: str
    prompt_template: str
    priority: int
    portrait_sha256: str
    voice_sha256: str
    voice_seconds: float
    image_width: int
    image_height: int
    book: StyleBook
    title: str = ""
    style: str | None = None
    preset: str = "standard"
    team: str = ""
    owner: str = ""
    variables: Mapping[str, Variable] = field(default_factory=dict)
    defaults: Mapping[str, Value] = field(default_factory=dict)
    share_with: tuple[str, ...] = ()
    never_with: tuple[str, ...] = ()
    start_within_s: float | None = None
    finish_factor: float | None = None
    pauses: tuple[tuple[float, float], ...] = ()
    warnings: tuple[str, ...] = ()
    version: int = 0

    @classmethod
    def from_draft(
        cls,
        draft: RoleDraft,
        *,
        portrait_sha256: str,
        voice_sha256: str,
        voice_seconds: float,
        image_width: int,
        image_height: int,
        pauses: tuple[tuple[float, float], ...] = (),
        warnings: tuple[str, ...] = (),
    ) -> Role:
        """The role of a draft whose assets were checked and kept."""
        names = {item.name for item in dataclasses.fields(cls)} & {item.name for item in dataclasses.fields(draft)}
        return cls(
            **{name: getattr(draft, name) for name in names},
            portrait_sha256=portrait_sha256, voice_sha256=voice_sha256, voice_seconds=voice_seconds,
            image_width=image_width, image_height=image_height, warnings=tuple(warnings),
            pauses=tuple((start, end) for start, end in pauses),
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Plain data: the body of a version. Equal roles have equal bodies."""
        data = {item.name: getattr(self, item.name) for item in dataclasses.fields(self) if item.name != "version"}
        return {
            **data,
            "book": self.book.to_json(),
            "variables": {name: variable.to_json() for name, variable in self.variables.items()},
            "defaults": dict(self.defaults),
            "share_with": list(self.share_with),
            "never_with": list(self.never_with),
            "pauses": [list(pause) for pause in self.pauses],
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], version: int = 0) -> Role:
        """Inverse of `to_json`; a field of a newer program is ignored, a missing one without default is a TypeError."""
        known = {item.name for item in dataclasses.fields(cls)}
        values = {name: value for name, value in data.items() if name in known}
        values["book"] = StyleBook.from_json(data["book"])
        values["variables"] = {name: Variable.from_json(name, value) for name, value in data["variables"].items()}
        for name in ("share_with", "never_with", "warnings"):
            values[name] = tuple(data.get(name, ()))
        values["pauses"] = tuple((float(start), float(end)) for start, end in data.get("pauses", ()))
        return cls(**{**values, "version": version})


def load_roles(text: str, base_dir: Path, *, style_dir: Path = STYLE_DIR) -> list[RoleDraft]:
    """The roles in a file's text, in its order. `base_dir`: the folder that images and voices are in.

    Raises RolesError with every problem found, each with line, column, path, message and what to do.
    """
    try:
        root = read_yaml(text)
    except YamlError as error:
        raise RolesError([error.problem]) from error
    if not isinstance(root.value, dict) or not root.value:
        raise RolesError(
            [Problem(root.line, root.column, "", "the file names no role.", "Write teacher: and its keys below.")]
        )
    if len(root.value) > MAX_ROLES:
        raise RolesError([Problem(1, 1, "", f"the file has {len(root.value)} roles.", f"Use at most {MAX_ROLES}.")])
    problems: list[Problem] = []
    drafts = []
    for name, node in root.value.items():
        if not ROLE_NAME.fullmatch(name):
            problems.append(_bad_name(name, root))
        drafts.append(read_role(name, node, base_dir, problems, style_dir))
    drafts = with_mutual_relations(drafts, root, problems)
    if problems:
        raise RolesError(problems)
    return drafts


def _bad_name(name: str, root: Node) -> Problem:
    line, column = root.keys[name]
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    guess = "".join(char if char.isalnum() else "-" for char in plain).strip("-0123456789")[:40]
    hint = f"Use small letters, digits, - and _{f', such as {guess}' if guess else ''}; title: may say anything."
    return Problem(line, column, name[:40], f"{name[:40]!r} cannot be a role's name.", hint)
