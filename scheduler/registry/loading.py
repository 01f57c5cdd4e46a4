"""A whole `roles.yaml`: its roles as drafts, or every problem of it with line and way out."""

from __future__ import annotations

import dataclasses
import unicodedata
from pathlib import Path

from scheduler.errors import SchedulerError
from scheduler.prompts.styles import STYLE_DIR
from scheduler.registry.relations import with_mutual_relations
from scheduler.registry.roles_file import MAX_ROLES, ROLE_NAME, RoleDraft, read_role
from scheduler.yaml_files import Node, Problem, YamlError, read_yaml

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


def load_roles(text: str, base_dir: Path, *, style_dir: Path = STYLE_DIR) -> list[RoleDraft]:
    """The roles in a file's text, in its order. `base_dir`: the folder that images and voices are in.

    Raises RolesError with every problem found, each with line, column, path, message and what to do.
    """
    try:
        root = read_yaml(text)
    except YamlError as error:
        raise RolesError([error.problem]) from error
    if not isinstance(root.value, dict) or not root.value:
        message, hint = "the file names no role.", "Write teacher: and its keys below."
        raise RolesError([Problem(root.line, root.column, "", message, hint, "no_roles")])
    if (count := len(root.value)) > MAX_ROLES:
        message, hint = f"the file has {count} roles.", f"Use at most {MAX_ROLES}."
        raise RolesError([Problem(1, 1, "", message, hint, "many_roles", {"count": count, "most": MAX_ROLES})])
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
    code, data = ("role_name_near", {"found": name[:40], "guess": guess}) if guess else ("role_name", {"found": name[:40]})
    return Problem(line, column, name[:40], f"{name[:40]!r} cannot be a role's name.", hint, code, data)
