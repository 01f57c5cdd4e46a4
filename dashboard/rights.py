"""The matrix of rights: which group may do what. Read from YAML, checked at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

PACKAGED = Path(__file__).with_name("rights.yaml")
RIGHTS = frozenset({
    "see", "see_words", "see_people", "see_audit", "see_metrics", "submit", "change_own", "lower_own",
    "submit_for_others", "change_any", "prioritise", "switch_role", "edit_roles", "run_queue", "export", "verify",
})  # fmt: skip


class RightsError(ValueError):
    """The matrix of rights cannot be used."""


@dataclass(frozen=True)
class Rights:
    """Right → groups that hold it."""

    groups: tuple[str, ...]
    holders: Mapping[str, frozenset[str]]

    def has(self, group: str, right: str) -> bool:
        """May this group do that? A right that nobody wrote down does not exist (KeyError)."""
        return group in self.holders[right]

    def of(self, group: str) -> frozenset[str]:
        """All rights of a group."""
        return frozenset(right for right, groups in self.holders.items() if group in groups)


def load_rights(path: Path = PACKAGED) -> Rights:
    """Read a matrix. Raises RightsError naming what is wrong: a matrix with a hole is never used."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RightsError(f"{path}: {error}") from error
    if not isinstance(data, dict) or set(data) != {"groups", "rights"}:
        raise RightsError(f"{path}: it needs exactly the keys groups and rights")
    groups, table = data["groups"], data["rights"]
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        raise RightsError(f"{path}: groups is a list of names")
    if not isinstance(table, dict):
        raise RightsError(f"{path}: rights is a table")
    if missing := RIGHTS - set(table):
        raise RightsError(f"{path}: the right {min(missing)} is missing; write an empty list if nobody has it")
    for right, holders in table.items():
        if right not in RIGHTS:
            raise RightsError(f"{path}: there is no right {right}")
        if not isinstance(holders, list) or not set(holders) <= set(groups):
            raise RightsError(f"{path}: {right} needs a list of groups from {', '.join(groups)}")
    return Rights(tuple(groups), {right: frozenset(holders) for right, holders in table.items()})
